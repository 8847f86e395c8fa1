//! openraft's types, fixed once, and our own stored forms of them.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{
    EntryPayload, Membership, StoredMembership,
    impls::{BasicNode, Vote, leader_id_std},
};
use serde::{Deserialize, Serialize};

use crate::{
    command::{Proposal, Reply, serialized_size},
    store::record::Record,
};

#[cfg(test)]
pub(crate) use crate::simulation::Runtime;
#[cfg(not(test))]
pub(crate) use openraft_rt_tokio::TokioRuntime as Runtime;

openraft::declare_raft_types!(
    /// Our choice of openraft's types. A term names its leader, so it is a clean epoch.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Replies,
        NodeId = u64,
        Node = BasicNode,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        Vote = Vote<leader_id_std::LeaderId<u64, u64>>,
        AsyncRuntime = Runtime,
);

pub(crate) type LeaderId = leader_id_std::LeaderId<u64, u64>;
pub(crate) type CommittedLeaderId = openraft::alias::CommittedLeaderIdOf<TypeConfig>;
pub(crate) type LogId = openraft::LogId<CommittedLeaderId>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type StoredMembershipOf = StoredMembership<CommittedLeaderId, u64, BasicNode>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::machine::Machine>;
/// What consensus says of this replica, and a wake-up for each change.
pub(crate) type ServerMetrics =
    openraft::alias::WatchReceiverOf<TypeConfig, openraft::metrics::RaftServerMetrics<TypeConfig>>;

/// The answers to one entry's commands, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replies(pub(crate) Vec<Reply>);

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

/// A log id as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredLogId {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

impl From<LogId> for StoredLogId {
    fn from(id: LogId) -> Self {
        Self { term: id.leader_id.term, index: id.index }
    }
}

impl From<StoredLogId> for LogId {
    fn from(id: StoredLogId) -> Self {
        log_id(id.term, id.index)
    }
}

impl Record for StoredLogId {
    const VERSION: u8 = 1;
}

/// A vote as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredVote {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) committed: bool,
}

impl From<&Vote<LeaderId>> for StoredVote {
    fn from(vote: &Vote<LeaderId>) -> Self {
        let LeaderId { term, voted_for } = vote.leader_id;
        Self { term, node: voted_for, committed: vote.committed }
    }
}

impl From<StoredVote> for Vote<LeaderId> {
    fn from(vote: StoredVote) -> Self {
        let leader_id = LeaderId { term: vote.term, voted_for: vote.node };
        Self { leader_id, committed: vote.committed }
    }
}

impl Record for StoredVote {
    const VERSION: u8 = 1;
}

/// A membership as stored: the voters of one or, while it changes, two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Members {
    voters: Vec<BTreeSet<u64>>,
    addresses: BTreeMap<u64, String>,
}

impl Members {
    /// Whether openraft takes it.
    pub(crate) fn are_valid(&self) -> bool {
        self.clone().checked().is_some()
    }

    fn checked(self) -> Option<Membership<u64, BasicNode>> {
        let nodes = self.addresses.into_iter().map(|(id, addr)| (id, BasicNode { addr }));
        Membership::new(self.voters, nodes.collect::<BTreeMap<u64, BasicNode>>()).ok()
    }

    /// Whether it is what a group has before anything.
    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&Membership<u64, BasicNode>> for Members {
    fn from(membership: &Membership<u64, BasicNode>) -> Self {
        let address = |(id, node): (&u64, &BasicNode)| (*id, node.addr.clone());
        Self {
            voters: membership.get_joint_config().clone(),
            addresses: membership.nodes().map(address).collect(),
        }
    }
}

impl From<Members> for Membership<u64, BasicNode> {
    fn from(members: Members) -> Self {
        // What is stored was valid, and what came from elsewhere was looked at; an empty one
        // stands for none yet.
        members.checked().unwrap_or_default()
    }
}

/// A log entry as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) id: StoredLogId,
    pub(crate) payload: Payload,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Payload {
    Blank,
    Proposal(Proposal),
    Members(Members),
}

impl LogEntry {
    /// How many bytes it takes on its way to another node.
    pub(crate) fn size(&self) -> usize {
        serialized_size(self)
    }

    /// Whether it may be one of a log: one from elsewhere may hold anything.
    pub(crate) fn is_sound(&self) -> bool {
        match &self.payload {
            Payload::Members(members) => members.are_valid(),
            Payload::Blank | Payload::Proposal(_) => true,
        }
    }
}

impl Record for LogEntry {
    const VERSION: u8 = 1;

    fn size_hint(&self) -> usize {
        match &self.payload {
            Payload::Proposal(proposal) => 64 + proposal.envelopes.len() * 320,
            Payload::Blank | Payload::Members(_) => 64,
        }
    }
}

impl From<&Entry> for LogEntry {
    fn from(entry: &Entry) -> Self {
        let payload = match &entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(proposal) => Payload::Proposal(proposal.clone()),
            EntryPayload::Membership(membership) => Payload::Members(membership.into()),
        };
        Self { id: entry.log_id.into(), payload }
    }
}

impl From<LogEntry> for Entry {
    fn from(entry: LogEntry) -> Self {
        let payload = match entry.payload {
            Payload::Blank => EntryPayload::Blank,
            Payload::Proposal(proposal) => EntryPayload::Normal(proposal),
            Payload::Members(members) => EntryPayload::Membership(members.into()),
        };
        Self { log_id: entry.id.into(), payload }
    }
}

/// What a group has applied, and the membership in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) last: Option<StoredLogId>,
    pub(crate) members_at: Option<StoredLogId>,
    pub(crate) members: Members,
}

impl Record for Applied {
    const VERSION: u8 = 1;
}

impl Applied {
    /// What a snapshot holds.
    pub(crate) fn of(meta: &SnapshotMeta) -> Self {
        Self {
            last: meta.last_log_id.map(Into::into),
            members_at: (*meta.last_membership.log_id()).map(Into::into),
            members: meta.last_membership.membership().into(),
        }
    }

    /// The description of a snapshot of it.
    pub(crate) fn described(&self) -> SnapshotMeta {
        let last_log_id = self.last.map(Into::into);
        SnapshotMeta { last_log_id, last_membership: self.membership() }
    }

    pub(crate) fn membership(&self) -> StoredMembershipOf {
        StoredMembership::new(self.members_at.map(Into::into), self.members.clone().into())
    }
}
