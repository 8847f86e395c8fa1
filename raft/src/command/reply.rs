//! What a command answers.

use model::{
    Generation, NodeId, Owner, Resource, Revision,
    delivery::{Outdated, SinkCursor},
};
use serde::{Deserialize, Serialize};

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; there is nothing to say.
    Done,
    /// A resource was declared.
    Declared {
        /// What that changed.
        outcome: DeclareOutcome,
        /// The row as it is now.
        resource: Box<Resource>,
    },
    /// A resource was removed.
    Removed {
        /// At which revision.
        revision: Revision,
    },
    /// What became of each report, in order.
    Observed(Vec<ReportReply>),
    /// A push was taken in.
    Pushed {
        /// At which revision.
        revision: Revision,
    },
    /// A document has this version.
    Version(u64),
    /// The command changed nothing.
    Refused(Refusal),
    /// A node has this id.
    Node(NodeId),
    /// A sink's cursor, as the change has left it.
    Sink(SinkCursor<String>),
}

/// What a declaration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeclareOutcome {
    /// The resource is new.
    Created,
    /// It existed, and its declaration is another now.
    Replaced,
    /// It was declared so already.
    Unchanged,
}

/// What became of one report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportReply {
    /// The slot has its end.
    Accepted,
    /// The report came too late: the slot, the declaration or the resource is gone.
    Stale(String),
}

/// Why a command changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Somebody else declared it.
    #[error("the resource is managed by {0}")]
    OwnedBy(Owner),
    /// It is not as the caller expects.
    #[error("precondition failed: the generation is {}", .0.map_or_else(|| "none".to_owned(), |g| g.to_string()))]
    Precondition(Option<Generation>),
    /// There is no such resource.
    #[error("there is no such resource")]
    NotFound,
    /// Its check is not `push`.
    #[error("the resource is probed; only resources with a push check take observations")]
    NotPush,
    /// The push is not newer than the last one.
    #[error("observed_at does not move forward: {0} was taken in already")]
    Older(model::WallTime),
    /// The push is too far ahead of the clock.
    #[error("observed_at is more than 5 minutes ahead of {0}")]
    Ahead(model::WallTime),
    /// The document is not at the version that the caller replaces.
    #[error("the document is at version {0}")]
    Version(u64),
    /// Parts of the version are missing; stage them again.
    #[error("configuration version {0} is not staged completely")]
    NotStaged(u64),
    /// The group is not one that takes this command, or is not founded yet.
    #[error("the group does not take this command")]
    WrongGroup,
    /// A limit of the group is reached.
    #[error("{0}")]
    Full(String),
    /// A node that has not left has this name.
    #[error("node {1} is named {0} already; give this one another node.name")]
    NodeName(String, NodeId),
    /// A node of another name has joined with this key.
    #[error("node {0} ({1}) has joined with a copy of this data_dir; empty it")]
    NodeKey(NodeId, String),
    /// The nodes have changed since they were looked at.
    #[error("another node was removed at the same time; look again")]
    NodesChanged,
    /// There is no such node.
    #[error("there is no node {0} in this cluster")]
    NoSuchNode(NodeId),
    /// The node has left, and ids are not used again.
    #[error(
        "node {0} was removed from the cluster; give it an empty data_dir, so that it joins as a new node"
    )]
    NodeRemoved(NodeId),
    /// Another session of the sink's publishers has begun.
    #[error("{0}")]
    SinkOutdated(Outdated),
}
