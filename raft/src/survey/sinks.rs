//! How the sinks do, gathered from all nodes: each knows what it publishes itself.

use std::collections::BTreeMap;

use model::{NodeId, ShardId};
use serde::{Deserialize, Serialize};

use crate::{
    node::Shards,
    peer::{NodeRequest, NodeResponse},
};

/// How a sink does, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SinkState {
    /// It takes events.
    Ok,
    /// It does not, and is tried again; nothing is lost.
    Retrying,
    /// Events are lost to it: retention has taken them, or the shard itself has lost them.
    Broken,
}

/// A sink as one node runs it: the worst of the shards that the node leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkHealth {
    /// The sink's name.
    pub name: String,
    /// What it is, such as `file` or `pulsar`.
    pub kind: String,
    /// Whether a person may say from where on it is sent events.
    pub can_be_reset: bool,
    /// How it does.
    pub state: SinkState,
    /// What last went wrong, also where it is well again.
    pub last_error: Option<String>,
    /// Events that it acknowledged to this node within the last minute.
    pub last_minute: u64,
}

/// One sink's progress in one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkStatus {
    /// The sink's name.
    pub sink: String,
    /// Which shard.
    pub shard: ShardId,
    /// Everything up to this offset is acknowledged.
    pub cursor: u64,
    /// The last offset that was written.
    pub head: u64,
}

/// What all nodes know of their sinks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkSurvey {
    /// The sinks that each node runs.
    pub nodes: BTreeMap<NodeId, Vec<SinkHealth>>,
    /// Who has not answered, and why.
    pub silent: BTreeMap<NodeId, String>,
}

/// Says how the sinks of this node do.
pub type SinkSource = Box<dyn Fn() -> Vec<SinkHealth> + Send + Sync>;

impl Shards {
    /// Has this node say how its sinks do. What is lent later than the first is dropped.
    pub fn lend_sinks(&self, source: SinkSource) {
        // Whoever runs the sinks does so once for the life of the node.
        let _ = self.inner.sinks.set(source);
    }

    /// The sinks that this node runs.
    #[must_use]
    pub fn node_sinks(&self) -> Vec<SinkHealth> {
        self.inner.sinks.get().map(|source| source()).unwrap_or_default()
    }

    /// How far each sink is in each shard, as this node knows.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkStatus> {
        let mut found = Vec::new();
        for group in self.shard_groups() {
            let state = group.replica.state.read();
            let head = state.head.outbox_head.0;
            found.extend(state.sinks.iter().map(|(sink, cursor)| SinkStatus {
                sink: sink.clone(),
                shard: group.shard,
                cursor: cursor.offset.0,
                head,
            }));
        }
        found
    }

    /// Asks all nodes of the cluster for their sinks, each no longer than a second.
    pub async fn survey_sinks(&self) -> SinkSurvey {
        let (answers, silent) = self.ask_all(&NodeRequest::Sinks).await;
        let answers = answers.into_iter().filter_map(|(node, answer)| match answer {
            NodeResponse::Sinks(sinks) => Some((node, sinks)),
            NodeResponse::Report(_) | NodeResponse::Done => None,
        });
        let nodes = answers.chain([(self.node_id(), self.node_sinks())]).collect();
        SinkSurvey { nodes, silent }
    }
}
