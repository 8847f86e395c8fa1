//! What the people who run the cluster want to know of it.

use std::time::Duration;

use model::{
    HealthStatus, NodeId, Revision, ShardId, ShardTime, Term, WallTime, maintenance::Maintenance,
};
use openraft::async_runtime::WatchReceiver as _;

use crate::{
    group::{Group, Role},
    node::Shards,
};

/// One shard, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardStatus {
    /// Which shard.
    pub shard: ShardId,
    /// Who leads it, where known.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// Its voters.
    pub voters: Vec<NodeId>,
    /// The last log index that this node has.
    pub last_log: u64,
    /// The last log index that this node has applied.
    pub applied: Revision,
    /// Its own time.
    pub time: ShardTime,
    /// How many resources it holds.
    pub resources: usize,
    /// The last offset of its outbox.
    pub outbox_head: u64,
    /// The first offset that is kept.
    pub outbox_floor: u64,
}

/// A maintenance window and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceView {
    /// The window.
    pub window: Maintenance,
    /// Its version in `meta`.
    pub version: u64,
    /// Shards that have not taken it over yet.
    pub missing: Vec<ShardId>,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigStatus {
    /// Its version, 0 where there is none.
    pub version: u64,
    /// SHA-256 of the document, in hexadecimal.
    pub digest: String,
    /// The document, as JSON text.
    pub document: String,
    /// Where it was loaded from.
    pub origin: String,
    /// When.
    pub loaded_at: WallTime,
    /// The version that each shard has adopted.
    pub shards: Vec<(ShardId, u64)>,
}

impl Shards {
    /// Every shard, as this node sees it.
    #[must_use]
    pub fn status(&self) -> Vec<ShardStatus> {
        self.shard_groups().iter().map(shard_status).collect()
    }

    /// How many resources have each health, over all shards.
    #[must_use]
    pub fn health_counts(&self) -> Vec<(HealthStatus, usize)> {
        let count = |status| {
            let counts = self.shard_groups().iter();
            counts.map(|group| group.replica.state.read().index.count(status)).sum()
        };
        HealthStatus::ALL.into_iter().map(|status| (status, count(status))).collect()
    }

    /// Whether at least one shard has a leader that this node can reach (SEMANTICS 16).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shard_groups().iter().any(Group::has_quorum)
    }
}

/// A leader may be away for as long as it takes to elect another before anybody is told.
const QUORUM_SILENCE: Duration = Duration::from_secs(2);

impl Group {
    /// Whether a majority of its voters was heard of lately.
    fn has_quorum(&self) -> bool {
        match self.role_now() {
            Role::Leader(_) => true,
            Role::Follower { leader } => {
                leader.is_some() && self.silence().is_some_and(|silence| silence < QUORUM_SILENCE)
            }
        }
    }
}

fn shard_status(group: &Group) -> ShardStatus {
    let leader = group.raft.metrics().borrow_watched().current_leader;
    let voters = group.raft.voter_ids().map(NodeId).collect();
    let state = group.replica.state.read();
    ShardStatus {
        shard: group.shard,
        leader: leader.map(NodeId),
        term: state.head.term,
        voters,
        last_log: group.log.last().map_or(0, |id| id.index),
        applied: group.replica.revision(),
        time: state.head.time,
        resources: state.resources.len(),
        outbox_head: state.head.outbox_head.0,
        outbox_floor: state.head.outbox_floor.0,
    }
}
