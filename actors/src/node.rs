//! The node supervisor: starts a shard's supervisor when this node comes to lead it, and stops
//! it when the term ends.

mod sinks;

use std::{collections::HashMap, sync::Arc, time::Duration};

use model::ShardId;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use raft::{Hold, Leadership, Role, Shards};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::error;

use crate::{
    metrics::Metrics,
    pool::Pool,
    probe::{ProbeSettings, Probes, ProbesError},
    publisher::PublishMetrics,
    report,
    scheduler::Pace,
    shard::{Common, ShardArguments, ShardMessage, ShardSupervisor},
    sink::{EventSink, SinkError},
};
pub(crate) use sinks::{SinkHandle, Sinks};
pub use sinks::{SinkKind, SinkSetting};

const STOP: Duration = Duration::from_secs(8);

/// How to start the actors of a node.
pub struct Settings {
    /// The replicated state.
    pub shards: Shards,
    /// What probes need to know of the node.
    pub probes: ProbeSettings,
    /// Probes that run at the same time.
    pub places: usize,
    /// Where events go.
    pub sinks: Vec<SinkSetting>,
    /// What is counted.
    pub metrics: Metrics,
    /// What publishers count.
    pub publish_metrics: PublishMetrics,
}

/// Why the actors cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The probes cannot be prepared.
    #[error(transparent)]
    Probes(#[from] ProbesError),
    /// A sink cannot be opened.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The supervisor did not start.
    #[error("the supervisor did not start: {0}")]
    Spawn(String),
}

/// The running actors of a node.
pub struct Actors {
    supervisor: ActorRef<NodeMessage>,
    sinks: Sinks,
}

impl Actors {
    /// Opens the sinks and starts to follow which shards this node leads.
    ///
    /// # Errors
    /// Says what could not be opened and what to do about it.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { shards, probes, places, sinks, metrics, publish_metrics } = settings;
        let probes = Probes::new(probes)?;
        let sinks = Sinks::open(sinks, &shards, publish_metrics).await?;
        let shown = sinks.clone();
        shards.lend_sinks(Box::new(move || shown.health()));
        let (pool, pace) = (Pool::new(places), Pace::of_this_machine());
        let collector = report::collect(shards.clone(), metrics.clone());
        let sinks_of_shards = sinks.clone();
        let common =
            Common { shards, probes, pool, pace, collector, sinks: sinks_of_shards, metrics };
        let spawned = Actor::spawn(None, NodeSupervisor, common).await;
        let (supervisor, _) = spawned.map_err(|e| StartError::Spawn(e.to_string()))?;
        Ok(Self { supervisor, sinks })
    }

    /// Finds a sink by its name.
    pub fn sink_source(
        &self,
    ) -> impl Fn(&str) -> Option<Arc<dyn EventSink>> + Send + Sync + 'static {
        let sinks = self.sinks.clone();
        move |name| sinks.named(name)
    }

    /// Lets probes in flight finish, commits the sinks' cursors, and ends every actor.
    pub async fn stop(&self) {
        if self.supervisor.stop_and_wait(None, Some(STOP)).await.is_err() {
            error!("the actors did not end in time");
        }
        self.sinks.close().await;
    }
}

/// What the node supervisor is told.
enum NodeMessage {
    /// This node's part in a shard has changed.
    Role(ShardId),
    /// A shard's supervisor crashed and has waited long enough.
    Restart(ShardId),
    /// The actors of a former term have ended.
    Ended(ShardId),
}

struct NodeSupervisor;

/// What there is of a shard that this node leads or has led.
enum Term {
    Running(ActorRef<ShardMessage>, Leadership, Hold),
    /// A probe that hangs may take seconds to end. Other shards do not wait for it, but the next
    /// term of this one does: two of them would probe at once.
    Ending,
}

struct NodeState {
    common: Common,
    leading: HashMap<ShardId, Term>,
    _roles: DropGuard,
}

impl Actor for NodeSupervisor {
    type Msg = NodeMessage;
    type State = NodeState;
    type Arguments = Common;

    async fn pre_start(
        &self,
        myself: ActorRef<NodeMessage>,
        common: Common,
    ) -> Result<NodeState, ActorProcessingErr> {
        let stop = CancellationToken::new();
        for shard in common.shards.shard_ids() {
            let watching = watch_role(common.shards.clone(), shard, myself.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(watching));
        }
        Ok(NodeState { common, leading: HashMap::new(), _roles: stop.drop_guard() })
    }

    async fn handle(
        &self,
        myself: ActorRef<NodeMessage>,
        message: NodeMessage,
        state: &mut NodeState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NodeMessage::Role(shard) => {
                state.step_down(&myself, shard);
                state.lead(&myself, shard).await?;
            }
            NodeMessage::Ended(shard) => {
                state.leading.remove(&shard);
                state.lead(&myself, shard).await?;
            }
            NodeMessage::Restart(shard) => state.lead(&myself, shard).await?,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<NodeMessage>,
        event: SupervisionEvent,
        state: &mut NodeState,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(who, why) = event else { return Ok(()) };
        let is_it = |term: &Term| matches!(term, Term::Running(actor, ..) if actor.get_id() == who.get_id());
        let failed = state.leading.iter().find(|(_, term)| is_it(term));
        if let Some(shard) = failed.map(|(shard, _)| *shard) {
            error!(%shard, %why, "a shard's supervisor crashed; starting it again");
            state.leading.remove(&shard);
            myself.send_after(Duration::from_secs(1), move || NodeMessage::Restart(shard));
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: ActorRef<NodeMessage>,
        state: &mut NodeState,
    ) -> Result<(), ActorProcessingErr> {
        state.leading.clear();
        myself.get_cell().stop_children_and_wait(None, Some(STOP)).await;
        Ok(())
    }
}

impl NodeState {
    fn step_down(&mut self, myself: &ActorRef<NodeMessage>, shard: ShardId) {
        let role = *self.common.shards.role(shard).borrow();
        let yields = *self.common.shards.yielding(shard).borrow();
        match self.leading.get(&shard) {
            // It was told of more than one change, and the last was looked at already.
            Some(Term::Running(_, led, _)) if role == Role::Leader(*led) && !yields => return,
            Some(Term::Running(..)) => {}
            Some(Term::Ending) | None => return,
        }
        let Some(Term::Running(actor, _, hold)) = self.leading.remove(&shard) else { return };
        self.leading.insert(shard, Term::Ending);
        let myself = myself.clone();
        tokio::spawn(async move {
            if actor.stop_and_wait(None, Some(STOP)).await.is_err() {
                error!(%shard, "the actors of a former term did not end in time");
            }
            drop(hold);
            // Nobody is there any more where the node stops.
            let _ = myself.cast(NodeMessage::Ended(shard));
        });
    }

    /// Starts what a leader has, if this node leads and nothing of the shard is there.
    async fn lead(
        &mut self,
        myself: &ActorRef<NodeMessage>,
        shard: ShardId,
    ) -> Result<(), SpawnErr> {
        let role = *self.common.shards.role(shard).borrow();
        let busy = self.leading.contains_key(&shard);
        let hold = self.common.shards.hold(shard);
        // Looked at once it is held: who hands over afterwards waits.
        let yields = *self.common.shards.yielding(shard).borrow();
        let (Role::Leader(leadership), false, false) = (role, busy, yields) else {
            return Ok(());
        };
        let arguments = ShardArguments { shard, leadership, common: self.common.clone() };
        let spawned =
            Actor::spawn_linked(None, ShardSupervisor, arguments, myself.get_cell()).await;
        match spawned {
            Ok((actor, _)) => {
                self.leading.insert(shard, Term::Running(actor, leadership, hold));
            }
            Err(why) => {
                error!(%shard, %why, "a shard's supervisor did not start; trying again");
                myself.send_after(Duration::from_secs(1), move || NodeMessage::Restart(shard));
            }
        }
        Ok(())
    }
}

async fn watch_role(shards: Shards, shard: ShardId, supervisor: ActorRef<NodeMessage>) {
    let (mut role, mut yielding) = (shards.role(shard), shards.yielding(shard));
    loop {
        role.borrow_and_update();
        yielding.borrow_and_update();
        if supervisor.cast(NodeMessage::Role(shard)).is_err() {
            return;
        }
        let changed = tokio::select! {
            changed = role.changed() => changed,
            changed = yielding.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
