//! The ICMP check: echo requests, and how many of them are answered.
//!
//! Invariant: no two requests in flight share a sequence number, because datagram sockets
//! tell answers apart by host and sequence alone.

mod echo;
mod fallback;
mod series;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use futures_util::future::BoxFuture;
use model::{Metrics, Outcome, check::IcmpCheck};
use tokio::time::Instant;

use self::series::Series;
use super::{
    Finding, Probe, Shared,
    budget::Budget,
    dial::{Host, addresses},
    fault::{Fault, conclude},
    timings::{Timings, millis, put},
};

pub(super) use echo::Echoes;

/// An ICMP check, prepared.
pub(super) struct IcmpProbe {
    shared: Arc<Shared>,
    host: Host,
    count: u16,
    max_loss_percent: f64,
}

impl IcmpProbe {
    pub(super) fn new(shared: Arc<Shared>, check: &IcmpCheck) -> Self {
        Self {
            shared,
            host: Host::parse(&check.host),
            count: check.count.max(1),
            max_loss_percent: check.max_loss_percent,
        }
    }

    async fn examine(&self, budget: Budget, metrics: &mut Metrics) -> Result<Outcome, Fault> {
        let mut timings = Timings::default();
        let found = addresses(&self.shared.resolver, &self.host, budget, &mut timings).await;
        timings.record(metrics);
        let found = found?;
        let mut fault = Fault::failed(format!("{} has no address", self.host));
        for (tried, address) in found.iter().enumerate() {
            match self.try_address(*address, budget.share(found.len() - tried), metrics).await {
                Ok(outcome) => return Ok(outcome),
                Err(later) if tried == 0 => fault = later,
                Err(later) => fault = fault.or_later(later),
            }
        }
        Err(fault)
    }

    async fn try_address(
        &self,
        address: IpAddr,
        budget: Budget,
        metrics: &mut Metrics,
    ) -> Result<Outcome, Fault> {
        let client = match self.shared.echoes.client(address) {
            Ok(client) => client,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let series = fallback::ask(address, self.count, budget).await?;
                record(&series, metrics);
                self.judge(&series, address)?;
                let message = "answered over tcp, icmp is not permitted";
                return Ok(Outcome::Passed { message: message.to_owned() });
            }
            Err(error) => return Err(Fault::io(&error, super::fault::Phase::Connecting, address)),
        };
        let series = self.shared.echoes.ask(&client, address, self.count, budget).await?;
        record(&series, metrics);
        self.judge(&series, address)?;
        Ok(Outcome::passed())
    }

    fn judge(&self, series: &Series, address: IpAddr) -> Result<(), Fault> {
        let loss = series.loss_percent();
        if loss <= self.max_loss_percent {
            return Ok(());
        }
        if let Some(fault) = &series.own_fault {
            // What was lost may have been lost here, too.
            return Err(fault.clone());
        }
        let count = self.count;
        let plural = if count == 1 { "" } else { "s" };
        Err(Fault::failed(match (&series.refusal, series.answered()) {
            (Some(refusal), 0) => refusal.clone(),
            (None, 0) => format!("no answer to {count} echo request{plural} ({address})"),
            (_, answered) => {
                let lost = usize::from(count) - answered;
                format!("{lost} of {count} echo requests were lost ({address})")
            }
        }))
    }
}

impl Probe for IcmpProbe {
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
        Box::pin(async move {
            let mut metrics = Metrics::default();
            let result = self.examine(Budget::until(deadline), &mut metrics).await;
            conclude(result, metrics)
        })
    }
}

fn record(series: &Series, metrics: &mut Metrics) {
    put(metrics, "loss_percent", series.loss_percent());
    if let Some((average, longest)) = series.round_trips() {
        put(metrics, "rtt_avg_ms", millis(average));
        put(metrics, "rtt_max_ms", millis(longest));
    }
}
