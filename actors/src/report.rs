//! Turns findings into reports and gets them committed.

mod collector;
mod flight;

use model::{Metrics as Measured, Miss, Outcome, ShardId, Term};
use raft::{Report, ReportBody, Shards, bug};
use tokio::sync::oneshot;
use tracing::debug;

use crate::{
    declared::Declared,
    metrics::{CheckLabels, Metrics, ReasonLabel},
    probe::Finding,
};
pub(crate) use collector::Collector;
use collector::Waiting;
use flight::Outlet;

/// Proposes reports for one shard and one term.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) shards: Shards,
    pub(crate) metrics: Metrics,
    shard: ShardId,
    term: Term,
    collector: Collector,
}

/// Whether a report can change a health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It may: it is proposed at once.
    Possible,
    /// It cannot, and may wait a moment for others.
    None,
}

impl Reporter {
    /// One for a shard and a term of it.
    pub(crate) fn new(
        shards: Shards,
        metrics: Metrics,
        collector: Collector,
        (shard, term): (ShardId, Term),
    ) -> Self {
        Self { shards, metrics, shard, term, collector }
    }

    /// Commits what became of a slot: returns once it is recorded, or can no longer be. Repeating
    /// is safe: a slot takes one result.
    pub(crate) async fn commit(
        &self,
        resource: &Declared,
        slot: u64,
        body: ReportBody,
        news: News,
    ) {
        self.count(resource, &body);
        let report = Report {
            resource: resource.id().clone(),
            incarnation: resource.incarnation,
            generation: resource.generation.0,
            term: self.term.0,
            epoch: resource.epoch.number,
            slot,
            body,
        };
        let (landed, landing) = oneshot::channel();
        let waiting = Waiting { shard: self.shard, report, landed };
        if self.collector.take(waiting, news).await {
            // A flight that panicked was reported where it happened.
            let _ = landing.await;
        }
    }

    fn count(&self, resource: &Declared, body: &ReportBody) {
        let outcome = match body {
            ReportBody::Result { outcome: Outcome::Passed { .. }, .. } => "ok",
            ReportBody::Result { outcome: Outcome::Failed { .. }, .. } => "failed",
            ReportBody::Missed { reason } | ReportBody::CaughtUp { reason } => {
                self.metrics.missed.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc();
                "missed"
            }
            ReportBody::Parked { .. } => "missed",
        };
        let check = resource.spec.check.name();
        self.metrics.checks.get_or_create(&CheckLabels { check, outcome }).inc();
    }
}

/// Begins to collect the reports of a node's shards. Needs a runtime around it.
pub(crate) fn collect(shards: Shards, metrics: Metrics) -> Collector {
    Collector::start(Outlet { shards, metrics })
}

/// What a finding means for the slot.
pub(crate) fn body_of(shards: &Shards, resource: &Declared, finding: Finding) -> ReportBody {
    match finding {
        Finding::Missed { detail, .. } if bug!("bug-fault-is-critical") => {
            let outcome = Outcome::critical(detail);
            ReportBody::Result { outcome, metrics: Measured::default(), observed_at: shards.now() }
        }
        Finding::Concluded { outcome, metrics } => {
            ReportBody::Result { outcome, metrics, observed_at: shards.now() }
        }
        Finding::Missed { reason, detail } => {
            if reason != Miss::Overload {
                debug!(resource = %resource.id(), %reason, detail, "could not probe");
            }
            ReportBody::Missed { reason }
        }
    }
}
