//! One Raft group on this node: its log, its replica, its batcher.

use std::sync::Arc;

use model::{Millis, NodeId, ShardId, ShardTime, Term};
use openraft::{Config, SnapshotPolicy, impls::BasicNode};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    batcher::{Answer, Batcher, Pending},
    beat::Beats,
    bug,
    clock::Clock,
    command::Envelope,
    disk::{Disk, Fatal},
    elections::Calls,
    error::{OpenError, ProposeError},
    handover::{HandOver, Turns},
    machine::{Machine, Replica},
    peer::{Arriving, PeerTransport, Peers},
    room::Room,
    store::log::LogStore,
    timing::{ANSWER, ELECTION, LEASE, millis},
    types::Raft,
    workers::Workers,
};

/// Commands that wait for a place in an entry; beyond it callers are told to come back.
const QUEUE: usize = 16_384;

/// Which part this node plays in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It follows, or the shard has no leader.
    Follower {
        /// Who leads, where known.
        leader: Option<NodeId>,
    },
    /// It leads, and its term is open.
    Leader(Leadership),
}

impl Role {
    /// Whether this node leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self, Self::Leader(_))
    }
}

/// A term that this node leads, and how its clock maps to the shard's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// The fencing token.
    pub term: Term,
    /// When the term began, in shard time.
    pub began: ShardTime,
    /// The boot clock at that moment.
    pub(crate) base: u64,
}

impl Leadership {
    /// The shard's time when this node's boot clock shows `boot_millis`.
    #[must_use]
    pub fn shard_time(&self, boot_millis: u64) -> ShardTime {
        self.began.plus(Millis(boot_millis.saturating_sub(self.base)))
    }
}

/// See the module.
pub(crate) struct Group {
    pub(crate) shard: ShardId,
    pub(crate) replica: Arc<Replica>,
    pub(crate) log: LogStore,
    pub(crate) raft: Raft,
    pub(crate) peers: Peers,
    pub(crate) handover: HandOver,
    pub(crate) turns: Turns,
    /// The snapshot that another replica is sending.
    pub(crate) arriving: Arriving,
    /// Who has called, and wants to lead.
    pub(crate) calls: Calls,
    /// When the leader was heard of last.
    pub(crate) heard: parking_lot::Mutex<Option<Instant>>,
    was_alone: bool,
    room: Option<Arc<Room>>,
    role: watch::Receiver<Role>,
    inbox: parking_lot::Mutex<Option<mpsc::Sender<Pending>>>,
    batcher: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

/// When a group's log is shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortening {
    /// A snapshot is built after so many entries.
    pub(crate) after: u64,
    /// The log keeps so many that the snapshot holds, for replicas that lag a little.
    pub(crate) kept: u64,
}

impl Shortening {
    pub(crate) const USUAL: Self = Self { after: 20_000, kept: 2_000 };
}

/// What every group of a node shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) workers: Workers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fatal: Fatal,
    pub(crate) room: Option<Arc<Room>>,
    pub(crate) transport: Arc<dyn PeerTransport>,
    pub(crate) beats: Beats,
    pub(crate) turns: Turns,
    /// A group without members becomes one of this node alone, rather than wait to be asked in.
    pub(crate) founds: bool,
    pub(crate) shortening: Shortening,
}

impl Shared {
    /// A group's way to its other replicas.
    fn peers(&self, group: u64) -> Peers {
        Peers { group, transport: Arc::clone(&self.transport), beats: self.beats.clone() }
    }
}

impl Group {
    /// Starts a group and its batcher. Where this node is its only voter, it is elected at once.
    pub(crate) async fn open(
        group: u64,
        log: LogStore,
        replica: Arc<Replica>,
        shared: &Shared,
    ) -> Result<Self, OpenError> {
        let (raft, was_alone) = start(group, shared, log.clone(), Arc::clone(&replica)).await?;
        let shard = ShardId(u32::try_from(group.saturating_sub(1)).unwrap_or(u32::MAX));
        let (role, role_seen) = watch::channel(Role::Follower { leader: None });
        let (inbox, pending) = mpsc::channel(QUEUE);
        let handover = HandOver::default();
        let batcher = Batcher {
            shard,
            node: shared.node,
            raft: raft.clone(),
            replica: Arc::clone(&replica),
            log: log.clone(),
            clock: Arc::clone(&shared.clock),
            inbox: pending,
            room: shared.room.clone(),
            fatal: Arc::clone(&shared.fatal),
            consensus: raft.server_metrics(),
            role,
            paused: handover.paused(),
            opening: None,
        };
        let batcher = tokio::spawn(batcher.run());
        Ok(Self {
            shard,
            replica,
            log,
            peers: shared.peers(group),
            handover,
            turns: shared.turns.clone(),
            arriving: Arriving::default(),
            calls: Calls::default(),
            heard: parking_lot::Mutex::default(),
            was_alone,
            raft,
            room: shared.room.clone(),
            role: role_seen,
            inbox: parking_lot::Mutex::new(Some(inbox)),
            batcher: parking_lot::Mutex::new(Some(batcher)),
        })
    }

    /// Whether this node was the group's only voter when it was opened.
    pub(crate) fn was_alone(&self) -> bool {
        self.was_alone
    }

    pub(crate) fn role(&self) -> watch::Receiver<Role> {
        self.role.clone()
    }

    /// Which part this node plays now.
    pub(crate) fn role_now(&self) -> Role {
        *self.role.borrow()
    }

    pub(crate) async fn propose(&self, envelope: Envelope) -> Result<Answer, ProposeError> {
        if let Some(refusal) = self.room.as_ref().and_then(|room| room.refusal()) {
            return Err(refusal);
        }
        let (answer, answered) = oneshot::channel();
        let inbox = self.inbox.lock().clone();
        let Some(inbox) = inbox else { return Err(ProposeError::Stopping(self.shard)) };
        let size = envelope.size();
        inbox.try_send(Pending { envelope, size, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => ProposeError::Overloaded(self.shard),
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopping(self.shard),
        })?;
        drop(inbox);
        answered.await.unwrap_or(Err(ProposeError::Unknown(self.shard)))
    }

    /// Lets what is in flight land, then stops consensus.
    pub(crate) async fn close(&self) {
        self.inbox.lock().take();
        let batcher = self.batcher.lock().take();
        if let Some(batcher) = batcher {
            // A panic of the task was reported where it happened.
            let _ = batcher.await;
        }
        let _ = self.raft.shutdown().await;
    }
}

/// Loads what a group has applied, verifying every record.
pub(crate) async fn load(group: u64, shared: &Shared) -> Result<Arc<Replica>, OpenError> {
    let (disk, fatal) = (Arc::clone(&shared.disk), Arc::clone(&shared.fatal));
    let loaded = shared.workers.applier.beside(move || Replica::load(group, disk, fatal)).await;
    loaded.flatten().map_err(|error| OpenError::Corrupt(error.to_string()))
}

async fn start(
    group: u64,
    shared: &Shared,
    log: LogStore,
    replica: Arc<Replica>,
) -> Result<(Raft, bool), OpenError> {
    let failed = |detail: String| OpenError::Consensus { group, detail };
    let node = shared.node.0;
    let config =
        Arc::new(config(group, shared.shortening).validate().map_err(|e| failed(e.to_string()))?);
    let (machine, starting) = Machine::starting(replica, shared.workers.applier.clone());
    let raft = Raft::new(node, config, shared.peers(group), log, machine).await;
    starting.over();
    let raft = raft.map_err(|e| failed(e.to_string()))?;
    let voters = raft.with_raft_state(|state| {
        state.membership_state.effective().voter_ids().collect::<Vec<u64>>()
    });
    let voters = voters.await.map_err(|e| failed(e.to_string()))?;
    let mut alone = voters == [node];
    if alone {
        // The only voter need not wait for an election timeout.
        raft.trigger().elect(false).await.map_err(|e| failed(e.to_string()))?;
    } else if voters.is_empty() && shared.founds {
        let members = std::collections::BTreeMap::from([(node, BasicNode::default())]);
        raft.initialize(members).await.map_err(|e| failed(e.to_string()))?;
        alone = true;
    }
    Ok((raft, alone))
}

/// SEMANTICS 25, and what CRATES knows of openraft's defaults.
fn config(group: u64, shortening: Shortening) -> Config {
    Config {
        cluster_name: format!("group-{group}"),
        // [`crate::beat`] sends them.
        heartbeat_interval: millis(ANSWER),
        enable_heartbeat: false,
        election_timeout_min: millis(ELECTION),
        election_timeout_max: millis(LEASE),
        install_snapshot_timeout: 60_000,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(shortening.after),
        max_in_snapshot_log_to_keep: shortening.kept,
        enable_leader_restore: Some(bug!("bug-leader-restore")),
        enable_pre_vote: Some(true),
        // A replica that lost the end of its log is sent it again; openraft would rather end the
        // leader's group.
        allow_log_reversion: Some(true),
        ..Config::default()
    }
}
