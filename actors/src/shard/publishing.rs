//! The publishers of a shard: one actor per sink, so that a dead sink slows nobody.

use std::{sync::Arc, time::Duration};

use model::ShardId;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use raft::Shards;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Common, ShardMessage};
use crate::{node::SinkHandle, publisher::Publisher};

/// How long a publisher may take to commit its cursor when its term ends.
const STOP: Duration = Duration::from_secs(3);

/// See the module.
pub(super) struct Publishers {
    actors: Vec<ActorRef<Ended>>,
    from_start: bool,
}

impl Publishers {
    pub(super) async fn start(
        myself: &ActorRef<ShardMessage>,
        common: &Common,
        shard: ShardId,
    ) -> Result<Self, SpawnErr> {
        // The sinks of a new shard get its first event; one that is added later, the next one.
        let from_start = is_new(&common.shards, shard);
        let mut actors = Vec::new();
        for sink in common.sinks.iter() {
            actors.push(spawn(myself, common, shard, sink, from_start).await?);
        }
        Ok(Self { actors, from_start })
    }

    pub(super) fn number_of(&self, who: &ActorCell) -> Option<usize> {
        self.actors.iter().position(|actor| actor.get_id() == who.get_id())
    }

    pub(super) async fn restart(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        common: &Common,
        shard: ShardId,
        number: usize,
    ) -> Result<(), SpawnErr> {
        if let (Some(actor), Some(sink)) = (self.actors.get_mut(number), common.sinks.get(number)) {
            *actor = spawn(myself, common, shard, sink, self.from_start).await?;
        }
        Ok(())
    }

    /// Stops all of them and waits until their cursors are committed.
    pub(super) async fn stop(&self) {
        let stopping = self.actors.iter().map(|actor| actor.stop_and_wait(None, Some(STOP)));
        futures_util::future::join_all(stopping).await;
    }
}

/// Whether no sink has ever had a cursor in a shard, and all its events are kept.
fn is_new(shards: &Shards, shard: ShardId) -> bool {
    let all_kept = shards.status().iter().any(|s| s.shard == shard && s.outbox_floor <= 1);
    all_kept && shards.sinks().iter().all(|sink| sink.shard != shard)
}

async fn spawn(
    myself: &ActorRef<ShardMessage>,
    common: &Common,
    shard: ShardId,
    handle: &SinkHandle,
    from_start: bool,
) -> Result<ActorRef<Ended>, SpawnErr> {
    let publisher = Publisher {
        shards: common.shards.clone(),
        shard,
        sink: Arc::clone(&handle.sink),
        monitor: Arc::clone(&handle.monitor),
        metrics: common.sinks.metrics().clone(),
        from_start,
    };
    let spawned = Actor::spawn_linked(None, PublisherActor, publisher, myself.get_cell()).await?;
    Ok(spawned.0)
}

/// The publisher's task has ended, which only a stop may cause.
struct Ended;

struct PublisherActor;

struct Running {
    stop: CancellationToken,
    /// An actor that is killed, as those of a supervisor that fails are, has nobody stop it.
    _stopped: DropGuard,
    task: Option<JoinHandle<()>>,
}

impl Actor for PublisherActor {
    type Msg = Ended;
    type State = Running;
    type Arguments = Publisher;

    async fn pre_start(
        &self,
        myself: ActorRef<Ended>,
        publisher: Publisher,
    ) -> Result<Running, ActorProcessingErr> {
        let stop = CancellationToken::new();
        let (stopped, watched) = (stop.clone(), stop.clone());
        let publishing = tokio::spawn(publisher.run(stopped));
        let task = tokio::spawn(async move {
            let _ = publishing.await;
            if !watched.is_cancelled() {
                let _ = myself.cast(Ended);
            }
        });
        let _stopped = stop.clone().drop_guard();
        Ok(Running { stop, _stopped, task: Some(task) })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Ended>,
        _ended: Ended,
        _state: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        Err("the publisher has crashed".into())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Ended>,
        state: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        state.stop.cancel();
        if let Some(task) = state.task.take() {
            let _ = task.await;
        }
        Ok(())
    }
}
