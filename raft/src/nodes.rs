//! The nodes of the cluster, as `meta` knows them.
//!
//! Invariant: an id is given once. Who has left keeps its record, so that no other gets its id.

use std::fmt;

use model::NodeId;
use serde::{Deserialize, Serialize};

use crate::{
    apply::left,
    command::{Command, Refusal, Reply},
    error::ProposeError,
    node::Shards,
    store::record::Record,
};

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name; two nodes of a cluster never share one.
    pub name: String,
    /// Its region, or nothing.
    pub region: String,
    /// Its zone, or nothing.
    pub zone: String,
    /// Where other nodes reach it, or nothing where it is alone.
    pub address: String,
    /// Where people and programs reach it.
    pub api: String,
    /// The version that it runs.
    pub version: String,
}

/// What is to become of a node's replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeStanding {
    /// It takes part.
    Active,
    /// Its leads and replicas move to others.
    Draining,
    /// It has left, or is lost. It never comes back under this id.
    Removed,
}

impl fmt::Display for NodeStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Removed => "removed",
        })
    }
}

/// A node, as `meta` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// What it says of itself.
    pub facts: NodeFacts,
    /// Made by it once: a repeated request to join gets the same id.
    pub key: String,
    /// What is to become of its replicas.
    pub standing: NodeStanding,
}

impl Record for NodeRecord {
    const VERSION: u8 = 1;
}

impl Shards {
    /// All nodes that ever were, from this node's replica of `meta`.
    #[must_use]
    pub fn nodes(&self) -> Vec<(NodeId, NodeRecord)> {
        let state = self.meta().replica.state.read();
        state.nodes.iter().map(|(id, record)| (*id, record.clone())).collect()
    }

    /// Lets a node into the cluster. Repeated with the same key, it gets the same id.
    ///
    /// # Errors
    /// `Ok(Err(refusal))` where another node has its name; [`ProposeError`] where `meta` does
    /// not answer: safe to repeat.
    pub async fn admit_node(
        &self,
        key: String,
        facts: NodeFacts,
    ) -> Result<Result<NodeId, Refusal>, ProposeError> {
        let command = Command::AdmitNode { key, facts: Box::new(facts) };
        let answer = self.meta().propose_anywhere(command.into()).await?;
        match answer.reply {
            Reply::Node(id) => Ok(Ok(id)),
            Reply::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(ProposeError::Unknown(answer.shard)),
        }
    }

    /// Tells the cluster what this node says of itself now; nothing where that is known.
    ///
    /// # Errors
    /// See [`Shards::admit_node`].
    pub async fn describe_self(
        &self,
        facts: NodeFacts,
    ) -> Result<Result<(), Refusal>, ProposeError> {
        let node = self.node_id();
        let known = self.meta().replica.state.read().nodes.get(&node).cloned();
        if known.is_some_and(|record| record.facts == facts) {
            return Ok(Ok(()));
        }
        self.change_node(Command::DescribeNode { node, facts: Box::new(facts) }).await
    }

    /// How many nodes have left.
    #[must_use]
    pub fn nodes_left(&self) -> usize {
        left(self.meta().replica.state.read().nodes.values())
    }

    /// Changes what is to become of a node's replicas. `left` is [`Shards::nodes_left`] from
    /// before it was looked whether that may be.
    ///
    /// # Errors
    /// See [`Shards::admit_node`].
    pub async fn set_standing(
        &self,
        node: NodeId,
        standing: NodeStanding,
        left: usize,
    ) -> Result<Result<(), Refusal>, ProposeError> {
        self.change_node(Command::StandNode { node, standing, left }).await
    }

    async fn change_node(&self, command: Command) -> Result<Result<(), Refusal>, ProposeError> {
        let answer = self.meta().propose_anywhere(command.into()).await?;
        match answer.reply {
            Reply::Done => Ok(Ok(())),
            Reply::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(ProposeError::Unknown(answer.shard)),
        }
    }
}
