//! One command with reports, proposed until its outcome is known.

use std::time::Duration;

use model::{Miss, ShardId};
use raft::{Command, ProposeError, Reply, Report, ReportReply, Shards, failpoint};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::collector::Waiting;
use crate::metrics::{Metrics, ReasonLabel};

/// Reports that cannot be committed for this long belong to a shard that has a new leader.
const GIVE_UP: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Where reports go.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) shards: Shards,
    pub(super) metrics: Metrics,
}

/// Commits reports and tells who waits. Repeating is safe: a slot takes one result.
pub(super) async fn fly(outlet: &Outlet, shard: ShardId, batch: Vec<Waiting>) {
    let (reports, callers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.report, waiting.landed)).unzip();
    outlet.commit(shard, &reports).await;
    for caller in callers {
        // A probe that was dropped meanwhile waits no more.
        let _ = caller.send(());
    }
}

impl Outlet {
    async fn commit(&self, shard: ShardId, reports: &[Report]) {
        let (until, mut repeated) = (Instant::now() + GIVE_UP, false);
        while Instant::now() < until {
            let command = Command::Observe(reports.to_vec());
            match self.shards.propose(shard, command).await {
                Ok(_) if failpoint!("report-repeats").is_some() && !repeated => repeated = true,
                Ok(answer) => return self.answered(reports, &answer.reply),
                Err(ProposeError::Unknown(_) | ProposeError::Overloaded(_)) => sleep(PAUSE).await,
                // The next reports account for the slots.
                Err(ProposeError::DiskFull { .. }) => return self.unrecorded(reports),
                // The next leader accounts for the slots.
                Err(ProposeError::NotLeader { .. } | ProposeError::Stopping(_)) => return,
            }
        }
        warn!(%shard, reports = reports.len(), "reports could not be committed");
    }

    fn answered(&self, reports: &[Report], reply: &Reply) {
        let Reply::Observed(replies) = reply else { return };
        for (report, reply) in reports.iter().zip(replies) {
            if let ReportReply::Stale(why) = reply {
                self.metrics.stale.inc();
                let (resource, slot) = (&report.resource, report.slot);
                debug!(%resource, slot, why, "report came too late");
            }
        }
    }

    fn unrecorded(&self, reports: &[Report]) {
        let reason = ReasonLabel { reason: Miss::Overload.as_str() };
        for report in reports {
            self.metrics.missed.get_or_create(&reason).inc();
            debug!(resource = %report.resource, slot = report.slot, "no room to record a slot");
        }
    }
}
