//! What a node does for others, lent by whoever runs it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use model::{NodeId, event::ClusterIdentity};
use raft::NodeFacts;

/// Answers a call of a node to a group.
pub(crate) type AnswerCall =
    Arc<dyn Fn(u64, Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync>;
/// Says why the cluster does not know a node of this id and name any more, if so.
pub(crate) type Admit = Arc<dyn Fn(NodeId, &str) -> Result<(), String> + Send + Sync>;
/// Decides about a node that wants to join.
pub(crate) type Join = Arc<dyn Fn(Joining) -> BoxFuture<'static, Outcome> + Send + Sync>;
/// Says what this node is.
pub(crate) type Stand = Arc<dyn Fn() -> Standing + Send + Sync>;

/// See the module.
#[derive(Clone)]
pub struct Host {
    /// This node's name.
    pub name: String,
    /// How calls are answered.
    pub answer: AnswerCall,
    /// Who is spoken to.
    pub admit: Admit,
    /// How requests to join are answered.
    pub join: Join,
    /// What this node is.
    pub standing: Stand,
}

/// A node that wants to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// Made by the node once, so that a repeat is no second node.
    pub key: String,
    /// The cluster that it was configured for.
    pub cluster_name: String,
    /// What it says of itself; its certificate carries the name.
    pub facts: NodeFacts,
}

/// What a node is told that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// How many shards it has.
    pub shards: u32,
    /// The id of the node that has joined, or of the one that was asked.
    pub node: NodeId,
    /// Where the others are.
    pub members: Vec<Member>,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub address: String,
}

/// What became of a request to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is a node of the cluster now.
    Joined(Joined),
    /// Nobody has founded the cluster yet, as far as this node knows.
    Waiting,
    /// Not now: ask again.
    Later(String),
    /// Not as things are: people have to change something.
    Refused(String),
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A node of a cluster.
    Member(Joined),
    /// It waits to found a cluster, or to be let into one.
    Waiting {
        /// It founds one at this moment.
        founding: bool,
    },
}
