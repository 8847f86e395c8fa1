//! All groups of this node: open, propose, stop.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use model::{NodeId, ResourceId, Revision, ShardId, WallTime, event::ClusterIdentity};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    beat::{Beat, Beats},
    clock::Clock,
    command::{Command, Founding, Reply},
    elections::Elections,
    error::OpenError,
    group::{Group, Role, Shared},
    handover::Turns,
    identity::{DirectoryLock, Identity},
    peer::{NODE, PeerTransport},
    reconcile::Moves,
    room::{DiskRoom, Room, Watch},
    store::watermark::WatermarkFile,
    survey::SinkSource,
    workers::Workers,
};

mod open;
mod options;
mod propose;
#[cfg(test)]
mod tests;
mod watermarks;

#[cfg(test)]
pub(crate) use options::Simulated;
pub use options::{Joins, Options};
pub(crate) use watermarks::Marks;

/// How long a group may take to elect its only voter and to load.
const START: Duration = Duration::from_secs(120);

/// The handle on all groups of this node. Clones share it.
#[derive(Clone)]
pub struct Shards {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) cluster: ClusterIdentity,
    pub(crate) clock: Arc<dyn Clock>,
    /// Group 0, then one per shard.
    pub(crate) groups: Vec<Group>,
    _beat: Beat,
    _elections: Elections,
    workers: Workers,
    pub(crate) transport: Arc<dyn PeerTransport>,
    pub(crate) moves: Moves,
    closing: AtomicBool,
    /// Whether it hands its leads over, and wants none.
    pub(crate) leaving: AtomicBool,
    watermarks: watermarks::Keeper,
    room: Option<Arc<Room>>,
    room_watch: Watch,
    /// Lent by whoever runs the sinks.
    pub(crate) sinks: OnceLock<SinkSource>,
    _lock: Option<DirectoryLock>,
}

impl Inner {
    /// Notes that the groups were founded, so that they never are again.
    fn note_founded(&self, data_dir: &Option<PathBuf>) -> Result<(), OpenError> {
        match data_dir {
            Some(directory) if !self.identity.founded => {
                self.identity.once_founded().write(directory)
            }
            _ => Ok(()),
        }
    }
}

impl Shards {
    /// Opens the data directory. In a fresh one a cluster of one is founded, unless the node
    /// joins another. Waits until every group leads of which this node is the only voter.
    ///
    /// # Errors
    /// Says what is wrong with the directory and what to do about it.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let lock = options.data_dir.as_deref().map(DirectoryLock::take).transpose()?;
        let gauged = open::find_room(&options)?;
        let room = gauged.as_ref().map(|(room, _)| Arc::clone(room));
        let identity = open::identify(&options)?;
        let side_file = options.data_dir.as_deref().map(WatermarkFile::new);
        let synced = watermarks::read(side_file.as_ref(), options.accept_data_loss)?;
        let disk = open::open_disk(&options).await?;
        let workers = Workers::start(&options, &disk)?;
        let shared = Shared {
            node: identity.node_id,
            disk,
            workers: workers.clone(),
            clock: Arc::clone(&options.clock),
            fatal: Arc::clone(&options.fatal),
            room: room.clone(),
            transport: Arc::clone(&options.transport),
            beats: Beats::default(),
            turns: Turns::default(),
            founds: identity.is_founder() && (options.alone || !identity.founded),
            shortening: open::shortening(&options),
        };
        let total = identity.shards + 1;
        let marks = side_file.map(Marks::new);
        let logs = open::open_logs(total, &synced, marks.as_ref(), &shared)
            .inspect_err(|_| workers.close())?;
        // Everything is loaded before anything runs: a node that refuses to start leaves no
        // group behind that still writes.
        let replicas = open::load_all(total, &shared, &*options.progress).await;
        let replicas = replicas.inspect_err(|_| workers.close())?;
        let opening = (0..).zip(logs).zip(replicas);
        let opening = opening.map(|((n, log), replica)| Group::open(n, log, replica, &shared));
        let groups = open::all_or_none(join_all(opening).await).await;
        let groups = groups.inspect_err(|_| workers.close())?;
        let beat = Beat::start(&groups, shared.beats.clone());
        let elections = Elections::start(&groups);
        let logs = groups.iter().map(|group| group.log.clone()).collect();
        let watermarks = watermarks::Keeper::start(marks, logs, Arc::clone(&options.fatal));
        let cluster = identity.cluster();
        let room_watch = Watch::start(gauged, Arc::clone(&shared.disk));
        let inner = Inner {
            identity,
            cluster,
            clock: options.clock,
            groups,
            _beat: beat,
            _elections: elections,
            workers,
            transport: options.transport,
            moves: Moves::default(),
            closing: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            watermarks,
            room,
            room_watch,
            sinks: OnceLock::new(),
            _lock: lock,
        };
        let shards = Self { inner: Arc::new(inner) };
        let begun =
            shards.found().await.and_then(|()| shards.inner.note_founded(&options.data_dir));
        if let Err(error) = begun {
            shards.close().await;
            return Err(error);
        }
        info!(shards = shards.shard_count(), "{}", shards.opened());
        Ok(shards)
    }

    /// Which cluster this is.
    #[must_use]
    pub fn cluster(&self) -> &ClusterIdentity {
        &self.inner.cluster
    }

    /// Which node this is.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.inner.identity.node_id
    }

    /// How many shards the cluster has.
    #[must_use]
    pub fn shard_count(&self) -> u32 {
        self.inner.identity.shards
    }

    /// All shards, in order.
    pub fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.shard_count()).map(ShardId)
    }

    /// The shard that holds a resource.
    #[must_use]
    pub fn shard_of(&self, id: &ResourceId) -> ShardId {
        ShardId::of(id, self.shard_count())
    }

    /// The node's wall clock.
    #[must_use]
    pub fn now(&self) -> WallTime {
        self.inner.clock.wall()
    }

    /// The node's clocks.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Which part this node plays in a shard, and each change of it.
    #[must_use]
    pub fn role(&self, shard: ShardId) -> watch::Receiver<Role> {
        self.group(shard).role()
    }

    /// The last applied revision of a shard, and a wake-up for each that follows.
    #[must_use]
    pub fn applied(&self, shard: ShardId) -> watch::Receiver<Revision> {
        self.group(shard).replica.applied()
    }

    /// The last applied revision of `meta`, and a wake-up for each that follows.
    #[must_use]
    pub fn meta_applied(&self) -> watch::Receiver<Revision> {
        self.meta().replica.applied()
    }

    /// How many fsyncs there were, and how long they took together.
    #[must_use]
    pub fn sync_stats(&self) -> (u64, Duration) {
        self.inner.workers.sync.stats().read()
    }

    /// The room on the data directory's file system; none for a node in memory.
    #[must_use]
    pub fn disk_room(&self) -> Option<DiskRoom> {
        self.inner.room.as_ref().map(|room| room.now())
    }

    /// Lets what is in flight land, makes it durable, and stops.
    pub async fn close(&self) {
        self.inner.closing.store(true, Ordering::Relaxed);
        for group in &self.inner.groups {
            group.close().await;
        }
        let (workers, marks) = (self.inner.workers.clone(), self.inner.watermarks.clone());
        let room_watch = self.inner.room_watch.clone();
        let disk = Arc::clone(&self.meta().replica.disk);
        let beside = workers.applier.clone();
        let closed = beside.beside(move || {
            room_watch.close();
            workers.close();
            marks.close();
            // Else the next start would apply it again.
            if let Err(error) = disk.flush_applied() {
                warn!(%error, "what was applied is not written out: the next start takes longer");
            }
        });
        // A panic of either thread was reported where it happened.
        let _ = closed.await;
    }

    /// Answers what another node asks a group of this one.
    ///
    /// # Errors
    /// Says why there is no answer: no such group, bytes that are no message, a node that stops.
    pub async fn answer_peer(&self, group: u64, body: &[u8]) -> Result<Vec<u8>, String> {
        if group == NODE {
            return self.answer_node(body).await;
        }
        let found = usize::try_from(group).ok().and_then(|n| self.inner.groups.get(n));
        let found = found.ok_or_else(|| format!("there is no group {group} here"))?;
        found.answer(body).await
    }

    /// Whether [`Shards::close`] was called.
    pub(crate) fn is_closing(&self) -> bool {
        self.inner.closing.load(Ordering::Relaxed)
    }

    pub(crate) fn meta(&self) -> &Group {
        &self.inner.groups[0]
    }

    pub(crate) fn group(&self, shard: ShardId) -> &Group {
        &self.inner.groups[shard.0 as usize + 1]
    }

    pub(crate) fn shard_groups(&self) -> &[Group] {
        &self.inner.groups[1..]
    }

    fn opened(&self) -> &'static str {
        let alone = self.inner.groups.iter().all(Group::was_alone);
        if alone { "all groups lead" } else { "all groups run" }
    }

    async fn found(&self) -> Result<(), OpenError> {
        for (number, group) in (0..).zip(&self.inner.groups) {
            if !group.was_alone() {
                continue;
            }
            let failed = |detail: String| OpenError::Consensus { group: number, detail };
            let mut role = group.role();
            let leads = role.wait_for(|role| matches!(role, Role::Leader(_)));
            match tokio::time::timeout(START, leads).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(failed("its task has ended".to_owned())),
                Err(_) => return Err(failed(format!("no leader within {START:?}"))),
            }
            if group.replica.state.read().head.cluster.is_some() {
                continue;
            }
            let founding =
                Founding { cluster: self.inner.cluster.clone(), shards: self.shard_count() };
            let answer = group.propose(Command::Found(founding).into()).await;
            match answer.map_err(|e| failed(e.to_string()))?.reply {
                Reply::Done => {}
                other => return Err(failed(format!("founding was answered by {other:?}"))),
            }
        }
        Ok(())
    }
}
