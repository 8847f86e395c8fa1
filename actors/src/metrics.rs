//! What the actors count. Names are in the contract.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// By check and outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CheckLabels {
    /// `http`, `tcp` and so on.
    pub check: &'static str,
    /// `ok`, `failed` or `missed`.
    pub outcome: &'static str,
}

/// By check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CheckLabel {
    /// `http`, `tcp` and so on.
    pub check: &'static str,
}

/// By reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Why a slot was missed.
    pub reason: &'static str,
}

/// The counters and histograms of all shards of this node.
#[derive(Clone)]
pub struct Metrics {
    /// Checks that ended.
    pub checks: Family<CheckLabels, Counter>,
    /// How long they took, in seconds.
    pub duration: Family<CheckLabel, Histogram, fn() -> Histogram>,
    /// How long after its slot was due a check began, in seconds.
    pub lateness: Histogram,
    /// Slots that this node's probes missed.
    pub missed: Family<ReasonLabel, Counter>,
    /// Reports that were refused, because the slot, the declaration or the term was over.
    pub stale: Counter,
    /// Changes of health that this node decided.
    pub transitions: Counter,
    /// Actors that crashed and were started again.
    pub restarts: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            checks: Family::default(),
            duration: Family::new_with_constructor(seconds),
            lateness: seconds(),
            missed: Family::default(),
            stale: Counter::default(),
            transitions: Counter::default(),
            restarts: Counter::default(),
        }
    }
}

/// From half a millisecond to half a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 17))
}

impl Metrics {
    /// Adds all of them to a registry whose prefix is `bellwether`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("checks", "Checks that ended", self.checks.clone());
        let help = "How long checks took";
        registry.register("check_duration_seconds", help, self.duration.clone());
        let help = "How long after its slot was due a check began";
        registry.register("check_lateness_seconds", help, self.lateness.clone());
        let help = "Slots that this node's actors reported as missed";
        registry.register("slots_missed", help, self.missed.clone());
        registry.register("reports_stale", "Reports that came too late", self.stale.clone());
        registry.register("transitions", "Changes of health", self.transitions.clone());
        registry.register("actor_restarts", "Actors started again", self.restarts.clone());
    }
}
