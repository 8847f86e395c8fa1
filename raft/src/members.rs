//! Who a group's replicas are, and which of them leads.
//!
//! Invariant: a change goes through a learner that has caught up, so that no voter counts
//! towards a quorum before it has what the others acknowledged.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use model::{NodeId, ShardId};
use openraft::{
    ChangeMembers, Instant as _, impls::BasicNode, type_config::async_runtime::watch::WatchReceiver,
};
use tokio::time::{Instant, sleep, timeout};

use crate::{bug, group::Group, node::Shards};

/// How long a new replica may take to catch up, and a change of voters to be committed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a transfer may take; by then the old leader or another was elected.
const TRANSFER: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// Between two rounds of asking others to take a lead: writes go on meanwhile.
const BETWEEN: Duration = Duration::from_millis(100);
/// One that lacks more entries than this while writes go on is not level a moment later.
const CLOSE: u64 = 64;
/// A node that answered no heartbeat for so long may be gone.
const HEARD_OF: Duration = Duration::from_millis(400);

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
        self.group_of(group)?.hand_to(group, to).await
    }

    /// Hands every lead of this node to another voter that is level, where there is one: before
    /// it stops, so that nobody has to wait for an election. Takes no longer than `patience`.
    pub async fn yield_leads(&self, patience: Duration) {
        self.inner.leaving.store(true, Ordering::Relaxed);
        let yielding = (0..).zip(&self.inner.groups).map(|(number, group)| async move {
            // Without a majority there is nobody to hand it to.
            while group.role_now().is_leader()
                && let Some(heirs) = group.heirs(number)
            {
                for to in heirs {
                    if group.hand_to(number, NodeId(to)).await.is_ok() {
                        return;
                    }
                }
                sleep(BETWEEN).await;
            }
        });
        // Whoever is left without a leader elects one.
        let _ = timeout(patience, futures_util::future::join_all(yielding)).await;
    }

    /// Gives a node a replica of a group that this node leads, without a vote.
    ///
    /// # Errors
    /// See [`MembersError`].
    pub async fn add_learner(&self, group: u64, node: NodeId) -> Result<(), MembersError> {
        let members = self.group_of(group)?;
        members.leads(group)?;
        let learner = members.raft.add_learner(node.0, BasicNode::default(), false);
        within(group, "a new learner", learner).await
    }

    /// Ends a change of voters whose second step was lost with the leader that had begun it:
    /// openraft (0.10.0-alpha.37) leaves that to whoever asked for it.
    ///
    /// # Errors
    /// See [`MembersError`].
    pub async fn finish_change(&self, group: u64) -> Result<(), MembersError> {
        let members = self.group_of(group)?;
        let (node, _) = members.leads(group)?;
        let joint = members.joint();
        let (Some(last), true) = (joint.last(), joint.len() > 1) else { return Ok(()) };
        if !last.contains(&node.0) {
            for to in last {
                if members.hand_to(group, NodeId(*to)).await.is_ok() {
                    return Ok(());
                }
            }
            return Err(MembersError::Leads { group, node });
        }
        let nobody = ChangeMembers::AddVoterIds(BTreeSet::new());
        let changed = members.raft.change_membership(nobody, false);
        within(group, "the end of a change of voters", changed).await
    }

    /// Takes a replica without a vote away.
    ///
    /// # Errors
    /// See [`MembersError`].
    pub async fn drop_learner(&self, group: u64, node: NodeId) -> Result<(), MembersError> {
        let members = self.group_of(group)?;
        members.leads(group)?;
        let gone = ChangeMembers::RemoveNodes(BTreeSet::from([node.0]));
        let changed = members.raft.change_membership(gone, false);
        within(group, "the end of a learner", changed).await
    }

    fn group_of(&self, group: u64) -> Result<&Group, MembersError> {
        let found = usize::try_from(group).ok().and_then(|n| self.inner.groups.get(n));
        found
            .ok_or_else(|| MembersError::Refused { group, detail: "there is no such group".into() })
    }

    /// The number of the group that holds a shard.
    #[must_use]
    pub fn group_number(shard: ShardId) -> u64 {
        u64::from(shard.0) + 1
    }
}

impl Group {
    /// Who may take this lead, the first of them another for each group, so that no node gets all;
    /// none where nobody can.
    fn heirs(&self, group: u64) -> Option<Vec<u64>> {
        let (node, _) = self.leads(group).ok()?;
        let mut heirs: Vec<u64> = self.raft.voter_ids().filter(|voter| *voter != node.0).collect();
        let first = usize::try_from(group).ok()?.checked_rem(heirs.len())?;
        heirs.rotate_left(first);
        Some(heirs)
    }

    async fn set_voters(&self, group: u64, voters: &BTreeSet<NodeId>) -> Result<(), MembersError> {
        let (node, last) = self.leads(group)?;
        if !voters.contains(&node) {
            // openraft (0.10.0-alpha.37) would go on to name this node the leader for a while,
            // and debug builds panic at the next change that it is asked for.
            return Err(MembersError::Leads { group, node });
        }
        let present: BTreeSet<u64> = self.raft.voter_ids().chain(self.raft.learner_ids()).collect();
        for node in voters.iter().filter(|node| !present.contains(&node.0)) {
            let learner = self.raft.add_learner(node.0, BasicNode::default(), false);
            within(group, "a new learner", learner).await?;
        }
        let former: BTreeSet<u64> = self.raft.voter_ids().collect();
        for node in voters.iter().filter(|node| !former.contains(&node.0)) {
            self.caught_up(group, *node, last).await?;
        }
        let wanted: BTreeSet<u64> = voters.iter().map(|node| node.0).collect();
        let changed = self.raft.change_membership(wanted, false);
        within(group, "the change of voters", changed).await
    }

    /// Waits until a replica has all entries up to one. openraft takes a learner for level that
    /// lacks thousands: as a voter, and away, it would stop the group.
    async fn caught_up(&self, group: u64, node: NodeId, upto: u64) -> Result<(), MembersError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let has = self.matched(group, node)?;
            if has >= upto {
                return Ok(());
            }
            if Instant::now() >= until {
                let detail = format!("it has entries up to {has} of {upto}");
                return Err(MembersError::NotLevel { group, node, detail });
            }
            sleep(LOOK).await;
        }
    }

    /// The voters of one or, while they change, two configurations.
    fn joint(&self) -> Vec<BTreeSet<u64>> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        metrics.membership_config.membership().get_joint_config().clone()
    }

    /// This node and its last entry, where it leads.
    fn leads(&self, group: u64) -> Result<(NodeId, u64), MembersError> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        if metrics.replication.is_none() {
            return Err(MembersError::NotLeader(group));
        }
        Ok((NodeId(metrics.id), metrics.last_log_index.unwrap_or(0)))
    }

    /// How far another replica's log is known to be this one's.
    fn matched(&self, group: u64, node: NodeId) -> Result<u64, MembersError> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let replication = metrics.replication.ok_or(MembersError::NotLeader(group))?;
        Ok(replication.get(&node.0).copied().flatten().map_or(0, |id| id.index))
    }

    /// Whether a node that leads may hand the lead to this one, which may be a moment behind.
    pub(crate) fn fit(&self, group: u64, to: NodeId) -> Result<(), MembersError> {
        let (node, last) = self.leads(group)?;
        match self.unfit(group, to, (node, last.saturating_sub(CLOSE)))? {
            Some(detail) if !bug!("bug-transfer-behind") => {
                Err(MembersError::NotLevel { group, node: to, detail })
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn transfer(&self, group: u64, to: NodeId) -> Result<(), MembersError> {
        let (node, last) = self.leads(group)?;
        // openraft (0.10.0-alpha.37) never takes a failed transfer back: to a node that is gone
        // or behind the group would stand still until another election.
        if let Some(detail) = self.unfit(group, to, (node, last))?
            && !bug!("bug-transfer-behind")
        {
            return Err(MembersError::NotLevel { group, node: to, detail });
        }
        let refused =
            |e: openraft::errors::Fatal<_>| MembersError::Refused { group, detail: e.to_string() };
        self.raft.trigger().transfer_leader(to.0).await.map_err(refused)?;
        let gone = async {
            while self.raft.metrics().borrow_watched().current_leader == Some(node.0) {
                sleep(LOOK).await;
            }
        };
        let late = MembersError::TimedOut { group, what: "the transfer", deadline: TRANSFER };
        timeout(TRANSFER, gone).await.map_err(|_| late)
    }

    /// Why a node cannot take over now.
    fn unfit(
        &self,
        group: u64,
        to: NodeId,
        (leader, last): (NodeId, u64),
    ) -> Result<Option<String>, MembersError> {
        if to == leader {
            return Ok(Some("it leads already".to_owned()));
        }
        if !self.raft.voter_ids().any(|voter| voter == to.0) {
            return Ok(Some("it is no voter".to_owned()));
        }
        let has = self.matched(group, to)?;
        if has < last {
            return Ok(Some(format!("it has entries up to {has} of {last}")));
        }
        let metrics = self.raft.metrics().borrow_watched().clone();
        let heard = metrics.heartbeat.and_then(|all| all.get(&to.0).copied().flatten());
        let lives = heard.is_some_and(|at| at.elapsed() < HEARD_OF);
        Ok((!lives).then(|| format!("it was not heard of for {HEARD_OF:?}")))
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
