//! The shard supervisor: exists only while this node leads the shard, and owns the term.
//!
//! Loads the shard's resources, starts an actor for each, follows the shard's changes, and
//! restarts what crashes: a resource actor alone, with back-off, and parked if it keeps crashing.

mod children;
mod feed;
mod publishing;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod windows;

use std::{sync::Arc, time::Duration};

use model::{ShardId, Term};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use raft::{Change, ChangeKind, Leadership, Shards};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, error};

use crate::{
    declared::Declared,
    metrics::Metrics,
    node::Sinks,
    pool::Pool,
    probe::Probes,
    report::{Collector, Reporter},
    resource::Tools,
    scheduler::{Pace, Scheduler, SchedulerArguments, SchedulerMessage},
};
use children::Children;

/// What a shard supervisor is told.
pub(crate) enum ShardMessage {
    /// Begin with what the shard holds: told once, by itself.
    Begin,
    /// Resources were declared, declared anew or removed.
    Changed(Vec<Change>),
    /// The changes can no longer be followed: start again from the rows.
    Reload,
    /// A crashed resource actor has waited long enough.
    Restart(model::ResourceId),
    /// A publisher has waited long enough.
    RestartPublisher(usize),
    /// Makes a resource actor crash.
    #[cfg(test)]
    Crash(model::ResourceId),
}

/// What all shards of a node share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) shards: Shards,
    pub(crate) probes: Probes,
    pub(crate) pool: Pool,
    pub(crate) pace: Pace,
    pub(crate) collector: Collector,
    pub(crate) sinks: Sinks,
    pub(crate) metrics: Metrics,
}

pub(crate) struct ShardArguments {
    pub(crate) shard: ShardId,
    pub(crate) leadership: Leadership,
    pub(crate) common: Common,
}

pub(crate) struct ShardSupervisor;

pub(crate) struct ShardState {
    shard: ShardId,
    term: Term,
    common: Common,
    scheduler: ActorRef<SchedulerMessage>,
    children: Children,
    publishers: publishing::Publishers,
    /// Ends what follows the shard.
    following: Option<DropGuard>,
}

/// How long children may take to end: a probe in flight finishes within its slot or is dropped.
const STOP: Duration = Duration::from_secs(6);

/// Actors that are started before others get their turn.
const TURN: usize = 64;

impl Actor for ShardSupervisor {
    type Msg = ShardMessage;
    type State = ShardState;
    type Arguments = ShardArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ShardMessage>,
        arguments: ShardArguments,
    ) -> Result<ShardState, ActorProcessingErr> {
        let ShardArguments { shard, leadership, common } = arguments;
        let (metrics, collector) = (common.metrics.clone(), common.collector.clone());
        let of_term = (shard, leadership.term);
        let reporter = Reporter::new(common.shards.clone(), metrics, collector, of_term);
        let scheduling = SchedulerArguments {
            leadership,
            reporter: reporter.clone(),
            pace: common.pace.clone(),
        };
        let (scheduler, _) =
            Actor::spawn_linked(None, Scheduler, scheduling, myself.get_cell()).await?;
        let (probes, pool) = (common.probes.clone(), common.pool.clone());
        let tools = Arc::new(Tools { probes, pool, reporter });
        let children = Children::new(tools, scheduler.clone());
        let publishers = publishing::Publishers::start(&myself, &common, shard).await?;
        // Later, so that the shards of a node begin side by side.
        myself.cast(ShardMessage::Begin)?;
        let (term, following) = (leadership.term, None);
        Ok(ShardState { shard, term, common, scheduler, children, publishers, following })
    }

    async fn handle(
        &self,
        myself: ActorRef<ShardMessage>,
        message: ShardMessage,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ShardMessage::Begin => state.begin(&myself).await?,
            ShardMessage::Changed(changes) => {
                for change in changes {
                    state.take_in(&myself, change).await?;
                }
            }
            ShardMessage::Reload => {
                // As at a stop: a slot that is due while actors end would find nobody.
                let _ = state.scheduler.stop_and_wait(None, Some(STOP)).await;
                return Err("changes were lost, starting again".into());
            }
            ShardMessage::Restart(id) => {
                state.common.metrics.restarts.inc();
                state.children.restart(&myself, &id).await?;
            }
            #[cfg(test)]
            ShardMessage::Crash(id) => state.children.crash(&id),
            ShardMessage::RestartPublisher(number) => {
                state.publishers.restart(&myself, &state.common, state.shard, number).await?;
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<ShardMessage>,
        event: SupervisionEvent,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(who, why) = event else { return Ok(()) };
        if who.get_id() == state.scheduler.get_id() {
            return Err(why);
        }
        if let Some(number) = state.publishers.number_of(&who) {
            error!(shard = %state.shard, %why, "a publisher crashed");
            myself
                .send_after(Duration::from_secs(1), move || ShardMessage::RestartPublisher(number));
        } else if let Some((id, pause)) = state.children.crashed(&who, &why.to_string()) {
            error!(shard = %state.shard, resource = %id, %why, ?pause, "a resource actor crashed");
            myself.send_after(pause, move || ShardMessage::Restart(id));
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: ActorRef<ShardMessage>,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        // Nothing of a term outlives it.
        // The scheduler first: a slot that is due while actors end would find nobody.
        let _ = state.scheduler.stop_and_wait(None, Some(STOP)).await;
        state.publishers.stop().await;
        myself.get_cell().stop_children_and_wait(None, Some(STOP)).await;
        Ok(())
    }
}

impl ShardState {
    /// Starts what the shard holds, and follows its changes from there.
    async fn begin(&mut self, myself: &ActorRef<ShardMessage>) -> Result<(), ActorProcessingErr> {
        let (shard, shards) = (self.shard, self.common.shards.clone());
        // The position is taken before the rows: a change between the two is told twice.
        let position = shards.cursor().shards.get(&shard).copied().unwrap_or_default();
        for (started, resource) in shards.resources(shard).into_iter().enumerate() {
            if started % TURN == 0 {
                tokio::task::yield_now().await;
            }
            self.children.start(myself, Arc::new(Declared::from(&*resource))).await?;
        }
        let stop = CancellationToken::new();
        let windows = windows::follow(shards.clone(), shard);
        tokio::spawn(stop.clone().run_until_cancelled_owned(windows));
        tokio::spawn(feed::follow(shards, shard, position, myself.clone(), stop.clone()));
        self.following = Some(stop.drop_guard());
        debug!(%shard, term = %self.term, resources = self.children.len(), "monitoring");
        Ok(())
    }

    async fn take_in(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        change: Change,
    ) -> Result<(), ActorProcessingErr> {
        let resource = &change.row.resource;
        match change.kind {
            ChangeKind::Declared => {
                let declared = Arc::new(Declared::from(&**resource));
                self.children.declared(myself, declared).await?;
            }
            ChangeKind::Removed => self.children.removed(resource.id()),
            ChangeKind::Transition => {
                self.common.metrics.transitions.inc();
            }
            ChangeKind::Updated => {}
        }
        Ok(())
    }
}
