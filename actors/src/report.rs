//! Turns findings into reports and gets them committed.

use std::{sync::Arc, time::Duration};

use model::{Metrics as Measured, Miss, Outcome, Resource, ShardId, Term};
use raft::{Command, ProposeError, Reply, Report, ReportBody, ReportReply, Shards, bug, failpoint};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::{
    metrics::{CheckLabels, Metrics, ReasonLabel},
    probe::Finding,
};

/// A report that cannot be committed for this long belongs to a shard that has a new leader.
const GIVE_UP: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Proposes reports for one shard and one term.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) shards: Shards,
    pub(crate) shard: ShardId,
    pub(crate) term: Term,
    pub(crate) metrics: Metrics,
}

impl Reporter {
    /// Commits what became of a slot. Repeating is safe: a slot takes one result.
    pub(crate) async fn commit(&self, resource: &Resource, slot: u64, body: ReportBody) {
        self.count(resource, &body);
        let report = Report {
            resource: resource.id().clone(),
            incarnation: resource.identity.incarnation,
            generation: resource.identity.generation.0,
            term: self.term.0,
            epoch: resource.state.ledger.epoch().number,
            slot,
            body,
        };
        let (until, mut repeated) = (Instant::now() + GIVE_UP, false);
        while Instant::now() < until {
            let command = Command::Observe(vec![report.clone()]);
            match self.shards.propose(self.shard, command).await {
                Ok(_) if failpoint!("report-repeats").is_some() && !repeated => repeated = true,
                Ok(answer) => return self.answered(&report, &answer.reply),
                Err(ProposeError::Unknown(_) | ProposeError::Overloaded(_)) => sleep(PAUSE).await,
                // The next report accounts for the slot.
                Err(ProposeError::DiskFull { .. }) => return self.unrecorded(&report),
                // The next leader accounts for the slot.
                Err(ProposeError::NotLeader { .. } | ProposeError::Stopping(_)) => return,
            }
        }
        warn!(resource = %report.resource, slot, "a report could not be committed");
    }

    fn answered(&self, report: &Report, reply: &Reply) {
        let Reply::Observed(replies) = reply else { return };
        if let Some(ReportReply::Stale(why)) = replies.first() {
            self.metrics.stale.inc();
            debug!(resource = %report.resource, slot = report.slot, why, "report came too late");
        }
    }

    fn unrecorded(&self, report: &Report) {
        let reason = Miss::Overload.as_str();
        self.metrics.missed.get_or_create(&ReasonLabel { reason }).inc();
        debug!(resource = %report.resource, slot = report.slot, "no room to record a slot");
    }

    fn count(&self, resource: &Resource, body: &ReportBody) {
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

/// What a finding means for the slot.
pub(crate) fn body_of(shards: &Shards, resource: &Arc<Resource>, finding: Finding) -> ReportBody {
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
