//! Who a group's replicas are, and which of them leads.
//!
//! Invariant: a change goes through a learner that has caught up, so that no voter counts
//! towards a quorum before it has what the others acknowledged.

use std::{collections::BTreeSet, time::Duration};

use model::{NodeId, ShardId};
use openraft::{impls::BasicNode, type_config::async_runtime::watch::WatchReceiver};
use tokio::time::{sleep, timeout};

use crate::{group::Group, node::Shards};

/// How long a new replica may take to catch up, and a change of voters to be committed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a transfer may take; by then the old leader or another was elected.
const TRANSFER: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// Why replicas stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Ask the leader.
    #[error("group {0} is not led by this node")]
    NotLeader(u64),
    /// Consensus has refused.
    #[error("group {group}: {detail}")]
    Refused {
        /// Which group.
        group: u64,
        /// What it said.
        detail: String,
    },
    /// It may still come about.
    #[error("group {group}: {what} is not done within {deadline:?}")]
    TimedOut {
        /// Which group.
        group: u64,
        /// What was wanted.
        what: &'static str,
        /// How long was waited.
        deadline: Duration,
    },
    /// Its lead goes to another before it leaves.
    #[error("node {node} leads group {group}: hand the lead over before it stops being a voter")]
    Leads {
        /// Which group.
        group: u64,
        /// Which node.
        node: NodeId,
    },
    /// Only a live voter that has everything can take over.
    #[error("node {node} cannot lead group {group} now: {detail}")]
    NotLevel {
        /// Which group.
        group: u64,
        /// Which node.
        node: NodeId,
        /// What it lacks.
        detail: String,
    },
}

impl Shards {
    /// Makes these nodes the voters of a group that this node leads, others that have caught up
    /// first. Nodes that were voters and are not named leave the group.
    ///
    /// # Errors
    /// See [`MembersError`].
    pub async fn set_voters(
        &self,
        group: u64,
        voters: &BTreeSet<NodeId>,
    ) -> Result<(), MembersError> {
        self.group_of(group)?.set_voters(group, voters).await
    }

    /// Hands the lead of a group to another voter and waits until this node has let go of it.
    ///
    /// # Errors
    /// See [`MembersError`].
    pub async fn transfer(&self, group: u64, to: NodeId) -> Result<(), MembersError> {
        self.group_of(group)?.transfer(group, to).await
    }

    fn group_of(&self, group: u64) -> Result<&Group, MembersError> {
        let found = usize::try_from(group).ok().and_then(|n| self.inner.groups.get(n));
        found.ok_or_else(|| MembersError::Refused { group, detail: "there is no such group".into() })
    }

    /// The number of the group that holds a shard.
    #[must_use]
    pub fn group_number(shard: ShardId) -> u64 {
        u64::from(shard.0) + 1
    }
}

impl Group {
    async fn set_voters(&self, group: u64, voters: &BTreeSet<NodeId>) -> Result<(), MembersError> {
        let node = NodeId(*self.raft.node_id());
        if !voters.contains(&node) {
            // openraft (0.10.0-alpha.37): one that was voted out goes on to call itself the
            // leader, and panics at the next change that it is asked for.
            return Err(MembersError::Leads { group, node });
        }
        let present: BTreeSet<u64> = self.raft.voter_ids().chain(self.raft.learner_ids()).collect();
        for node in voters.iter().filter(|node| !present.contains(&node.0)) {
            let learner = self.raft.add_learner(node.0, BasicNode::default(), true);
            within(group, "a replica that catches up", learner).await?;
        }
        let wanted: BTreeSet<u64> = voters.iter().map(|node| node.0).collect();
        let changed = self.raft.change_membership(wanted, false);
        within(group, "the change of voters", changed).await
    }

    async fn transfer(&self, group: u64, to: NodeId) -> Result<(), MembersError> {
        let not_level =
            |detail: String| Err(MembersError::NotLevel { group, node: to, detail });
        let metrics = self.raft.metrics().borrow_watched().clone();
        let Some(replication) = metrics.replication else {
            return Err(MembersError::NotLeader(group));
        };
        if to.0 == metrics.id {
            return not_level("it leads already".to_owned());
        }
        // openraft (0.10.0-alpha.37) never takes a failed transfer back: to a node that is gone
        // or behind the group would stand still until another election.
        if !self.raft.voter_ids().any(|voter| voter == to.0) {
            return not_level("it is no voter".to_owned());
        }
        let has = replication.get(&to.0).copied().flatten().map_or(0, |id| id.index);
        let last = metrics.last_log_index.unwrap_or(0);
        if has < last {
            return not_level(format!("it has entries up to {has} of {last}"));
        }
        let refused =
            |e: openraft::errors::Fatal<_>| MembersError::Refused { group, detail: e.to_string() };
        self.raft.trigger().transfer_leader(to.0).await.map_err(refused)?;
        let gone = async {
            while self.raft.metrics().borrow_watched().current_leader == Some(metrics.id) {
                sleep(LOOK).await;
            }
        };
        let late =
            MembersError::TimedOut { group, what: "the transfer", deadline: TRANSFER };
        timeout(TRANSFER, gone).await.map_err(|_| late)
    }
}

async fn within<T, E: std::fmt::Display>(
    group: u64,
    what: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<(), MembersError> {
    match timeout(PATIENCE, work).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(MembersError::Refused { group, detail: error.to_string() }),
        Err(_) => Err(MembersError::TimedOut { group, what, deadline: PATIENCE }),
    }
}
