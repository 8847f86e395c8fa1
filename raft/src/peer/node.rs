//! What nodes ask each other that is about no single replica.

use std::{sync::atomic::Ordering, time::Duration};

use model::NodeId;
use serde::{Deserialize, Serialize};

use super::{
    Call, Haste,
    message::{decode, encode},
};
use crate::{
    node::Shards,
    placement::Action,
    survey::{NodeReport, SinkHealth},
};

/// Where a group's number stands in other calls.
pub(crate) const NODE: u64 = u64::MAX;

/// What one node asks another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeRequest {
    /// What does it know?
    Report,
    /// End a change of voters that nobody has ended, of a group that it leads.
    Finish { group: u64 },
    /// Change the replicas of a group that it leads.
    Change { group: u64, action: Action },
    /// How do its sinks do?
    Sinks,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeResponse {
    Report(NodeReport),
    Done,
    Sinks(Vec<SinkHealth>),
}

impl Shards {
    /// Asks another node.
    ///
    /// # Errors
    /// Says why there is no answer, or why it will not.
    pub(crate) async fn ask_node(
        &self,
        node: NodeId,
        request: &NodeRequest,
        deadline: Duration,
    ) -> Result<NodeResponse, String> {
        let call = Call { group: NODE, body: encode(request, 0), deadline, haste: Haste::Now };
        let answer = self.inner.transport.call(node, call).await.map_err(|e| e.to_string())?;
        decode(&answer).map_err(|unreadable| unreadable.to_string())
    }

    pub(crate) async fn answer_node(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let request = decode(body).map_err(|unreadable| unreadable.to_string())?;
        let response = match request {
            NodeRequest::Report if self.inner.leaving.load(Ordering::Relaxed) => {
                // It is to be counted on for nothing: placement would give it leads back.
                return Err("this node is stopping".to_owned());
            }
            NodeRequest::Report => NodeResponse::Report(self.node_report()),
            NodeRequest::Sinks => NodeResponse::Sinks(self.node_sinks()),
            NodeRequest::Finish { group } => {
                self.finish_change(group).await.map_err(|error| error.to_string())?;
                NodeResponse::Done
            }
            NodeRequest::Change { group, action } => {
                self.change(group, &action).await.map_err(|error| error.to_string())?;
                NodeResponse::Done
            }
        };
        Ok(encode(&response, 1024))
    }
}
