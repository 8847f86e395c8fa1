//! What is counted of the peer network. Names of metrics stand here and nowhere else.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Why a connection was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Shared by all connections of a node.
#[derive(Debug, Clone, Default)]
pub struct PeerMetrics {
    refused: Family<Reason, Counter>,
    pub(crate) calls: Counter,
    pub(crate) frames: Counter,
    pub(crate) bytes: Counter,
    pub(crate) answers_dropped: Counter,
    pub(crate) links: Gauge,
}

impl PeerMetrics {
    /// Adds them to the registry that is shown.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("peer");
        let told = "Connections between nodes that were refused, by reason";
        registry.register("connections_refused", told, self.refused.clone());
        registry.register("calls", "Calls to other nodes", self.calls.clone());
        registry.register("frames", "Frames sent to other nodes", self.frames.clone());
        registry.register("sent_bytes", "Bytes of calls and answers sent", self.bytes.clone());
        let told = "Answers that were not sent, because too much waits for the other side";
        registry.register("answers_dropped", told, self.answers_dropped.clone());
        registry.register("links", "Nodes that this one is connected with", self.links.clone());
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    #[cfg(test)]
    pub(crate) fn refusals(&self, reason: &'static str) -> u64 {
        self.refused.get_or_create(&Reason { reason }).get()
    }
}
