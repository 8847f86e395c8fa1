//! What each node knows of its groups, gathered from all of them.

mod sinks;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use model::NodeId;
use openraft::{Instant as _, type_config::async_runtime::watch::WatchReceiver};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    group::{Group, Role},
    node::Shards,
    nodes::NodeStanding,
    peer::{NodeRequest, NodeResponse},
};

pub use sinks::{SinkHealth, SinkSource, SinkState, SinkStatus, SinkSurvey};

/// How long a node may take to say what it knows.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// The groups of which it is a replica.
    pub groups: BTreeMap<u64, GroupReport>,
    /// What is free on its data directory's file system and what the whole has, in bytes.
    pub disk: Option<DiskReport>,
    /// What is being moved, where it leads `meta`.
    pub moves: Vec<String>,
}

/// Room for the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// What may still be written, in bytes.
    pub free: u64,
    /// Whether writes are refused.
    pub full: bool,
}

/// What a replica knows of its group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// The term that it has seen.
    pub term: u64,
    /// Whether it leads, and its term is open.
    pub leads: bool,
    /// Who leads, as it knows.
    pub leader: Option<NodeId>,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who has a replica without a vote.
    pub learners: BTreeSet<NodeId>,
    /// Whether a change of voters is under way.
    pub changing: bool,
    /// Its last log index.
    pub last: u64,
    /// The last log index that it has applied.
    pub applied: u64,
    /// Where it leads: how far the logs of the others are known to go.
    pub matched: BTreeMap<NodeId, u64>,
}

/// What all nodes know, by node; of those that do not answer, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Who has answered.
    pub reports: BTreeMap<NodeId, NodeReport>,
    /// Who has not, and why.
    pub silent: BTreeMap<NodeId, String>,
}

impl Survey {
    /// What the leader of a group says of it: of two that take themselves for it, the later.
    #[must_use]
    pub fn leader_of(&self, group: u64) -> Option<(NodeId, &GroupReport)> {
        let all = self.reports.iter().filter_map(|(node, report)| {
            report.groups.get(&group).filter(|found| found.leads).map(|found| (*node, found))
        });
        all.max_by_key(|(_, found)| found.term)
    }

    /// The latest that is known of a group: its leader's word, else that of the replica that is
    /// furthest.
    #[must_use]
    pub fn latest_of(&self, group: u64) -> Option<&GroupReport> {
        let all = self.reports.values().filter_map(|report| report.groups.get(&group));
        self.leader_of(group)
            .map(|(_, found)| found)
            .or_else(|| all.max_by_key(|found| (found.term, found.last)))
    }
}

impl Shards {
    /// Asks all nodes of the cluster, each no longer than a second.
    pub async fn survey(&self) -> Survey {
        let (answers, silent) = self.ask_all(&NodeRequest::Report).await;
        let answers = answers.into_iter().filter_map(|(node, answer)| match answer {
            NodeResponse::Report(report) => Some((node, report)),
            NodeResponse::Sinks(_) | NodeResponse::Done => None,
        });
        let reports = answers.chain([(self.node_id(), self.node_report())]).collect();
        Survey { reports, silent }
    }

    /// What all other nodes answer, and of those that do not, why.
    async fn ask_all(
        &self,
        request: &NodeRequest,
    ) -> (Vec<(NodeId, NodeResponse)>, BTreeMap<NodeId, String>) {
        let here = self.node_id();
        let others = self
            .nodes()
            .into_iter()
            .filter(|(node, record)| *node != here && record.standing != NodeStanding::Removed);
        let asked = others
            .map(|(node, _)| async move { (node, self.ask_node(node, request, PATIENCE).await) });
        let (mut answers, mut silent) = (Vec::new(), BTreeMap::new());
        for (node, answer) in join_all(asked).await {
            match answer {
                Ok(answer) => answers.push((node, answer)),
                Err(why) => {
                    silent.insert(node, why);
                }
            }
        }
        (answers, silent)
    }

    /// What this node knows.
    #[must_use]
    pub fn node_report(&self) -> NodeReport {
        let groups = (0..).zip(&self.inner.groups);
        let groups = groups.map(|(number, group)| (number, group.report()));
        let replicas = groups.filter(|(_, group)| !group.voters.is_empty()).collect();
        let disk = self.disk_room().map(|room| DiskReport { free: room.free, full: room.full });
        NodeReport { node: self.node_id(), groups: replicas, disk, moves: self.moves() }
    }
}

impl Group {
    pub(crate) fn report(&self) -> GroupReport {
        self.silence();
        let metrics = self.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        // While they change, those that there will be.
        let voters = membership.get_joint_config().last().into_iter().flatten();
        let voters: BTreeSet<NodeId> = voters.copied().map(NodeId).collect();
        let matched = metrics.replication.iter().flatten();
        let role = self.role_now();
        GroupReport {
            term: metrics.current_term,
            leads: role.is_leader(),
            leader: match role {
                Role::Leader(_) => Some(NodeId(metrics.id)),
                Role::Follower { leader } => leader,
            },
            learners: membership.learner_ids().map(NodeId).collect(),
            changing: membership.get_joint_config().len() > 1,
            voters,
            last: metrics.last_log_index.unwrap_or(0),
            applied: metrics.last_applied.map_or(0, |id| id.index),
            matched: matched
                .map(|(node, id)| (NodeId(*node), id.as_ref().map_or(0, |id| id.index)))
                .collect(),
        }
    }

    /// Whether this node holds the group's state.
    pub(crate) fn has_replica(&self) -> bool {
        let id = *self.raft.node_id();
        self.raft.voter_ids().chain(self.raft.learner_ids()).any(|member| member == id)
    }

    /// How long ago a majority was heard of, by this replica or by the leader that it follows.
    pub(crate) fn silence(&self) -> Option<Duration> {
        if self.role_now().is_leader() {
            let data = self.raft.data_metrics();
            let acked = data.borrow_watched().last_quorum_acked.map(|at| at.elapsed());
            let silence = acked.unwrap_or_default();
            // Remembered for when it leads no more.
            *self.heard.lock() = Instant::now().checked_sub(silence);
            return Some(silence);
        }
        let heard = (*self.heard.lock())?;
        Some(heard.elapsed())
    }
}
