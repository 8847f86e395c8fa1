//! What publishing counts and measures.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// From a fast local disk, 0.1 ms, to an answer that is hardly one.
const BUCKETS: [f64; 14] =
    [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// From what clocks of a millisecond tell apart, to an hour without a broker.
const LAG_BUCKETS: [f64; 14] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

/// Shared by all publishers of a node; clones count together.
#[derive(Debug, Clone)]
pub struct PublishMetrics {
    duration: Histogram,
    lag: Family<SinkLabel, Histogram, fn() -> Histogram>,
    published: Family<SinkLabel, Counter>,
    lost: Family<SinkLabel, Counter>,
}

impl Default for PublishMetrics {
    fn default() -> Self {
        let duration = Histogram::new(BUCKETS);
        let lag = Family::new_with_constructor((|| Histogram::new(LAG_BUCKETS)) as fn() -> _);
        Self { duration, lag, published: Family::default(), lost: Family::default() }
    }
}

impl PublishMetrics {
    /// Registers the metrics under their full names, so with a registry that has no prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "bellwether_publish_duration_seconds",
            "Time from handing a batch of events to a sink until all of it was durable there",
            self.duration.clone(),
        );
        registry.register(
            "bellwether_publish_lag_seconds",
            "Time from the decision of an event until a sink held it, of the oldest of each batch",
            self.lag.clone(),
        );
        registry.register(
            "bellwether_outbox_published",
            "Events that a sink has acknowledged",
            self.published.clone(),
        );
        registry.register(
            "bellwether_outbox_lost",
            "Events that retention took before a sink could have them",
            self.lost.clone(),
        );
    }

    pub(super) fn published(&self, sink: &str, events: u64, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.published.get_or_create(&label(sink)).inc_by(events);
    }

    pub(super) fn lag(&self, sink: &str, lag: Duration) {
        self.lag.get_or_create(&label(sink)).observe(lag.as_secs_f64());
    }

    pub(super) fn lost(&self, sink: &str, events: u64) {
        self.lost.get_or_create(&label(sink)).inc_by(events);
    }
}

fn label(sink: &str) -> SinkLabel {
    SinkLabel { sink: sink.to_owned() }
}
