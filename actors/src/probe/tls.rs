//! The TLS check: a handshake, who the certificate is for, and how long it lasts.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use model::{Metrics, Outcome, check::TlsCheck};
use tokio::time::Instant;

use super::{
    Finding, Probe, Shared,
    budget::Budget,
    dial::{Endpoint, dial},
    fault::{Fault, conclude},
    timings::{Timings, millis, put},
    trust::{Alpn, Identity, Trust},
};

/// A TLS check, prepared.
pub(super) struct TlsProbe {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    identity: Identity,
    trust: Trust,
    min_days: u32,
}

impl TlsProbe {
    /// Prepares it, or says why it cannot be.
    pub(super) fn new(shared: Arc<Shared>, check: &TlsCheck) -> Result<Self, String> {
        let endpoint = Endpoint::parse(&check.address)
            .ok_or_else(|| format!("{:?} is not host:port", check.address))?;
        let name = check.server_name.clone().unwrap_or_else(|| endpoint.host.to_string());
        let identity = Identity::new(&name)?;
        let trust = shared.tls.trust(true, check.ca_file.as_deref());
        Ok(Self { shared, endpoint, identity, trust, min_days: check.min_days })
    }

    async fn examine(
        &self,
        budget: Budget,
        timings: &mut Timings,
        metrics: &mut Metrics,
    ) -> Result<Outcome, Fault> {
        let tls = &self.shared.tls;
        // Before the connection: what this host cannot read is no reason to disturb the target.
        let verifier = tls.verifier(&self.trust, budget).await?;
        let (stream, peer) = dial(&self.shared.resolver, &self.endpoint, budget, timings).await?;
        let session =
            tls.handshake(stream, peer, &self.identity, Alpn::None, budget, timings).await?;
        put(metrics, "duration_ms", millis(budget.used()));
        let expiry = session.expiry();
        if let Some(expiry) = expiry {
            put(metrics, "certificate_expiry_days", expiry.days_left());
        }
        let verdict = session.verify(verifier.as_deref(), &self.identity);
        session.close(budget).await;
        verdict?;
        Ok(expiry.map_or_else(Outcome::passed, |expiry| expiry.verdict(self.min_days)))
    }
}

impl Probe for TlsProbe {
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
        Box::pin(async move {
            let budget = Budget::until(deadline);
            let mut timings = Timings::default();
            let mut metrics = Metrics::default();
            let result = self.examine(budget, &mut timings, &mut metrics).await;
            if !metrics.extra.contains_key("duration_ms") {
                put(&mut metrics, "duration_ms", millis(budget.used()));
            }
            timings.record(&mut metrics);
            conclude(result, metrics)
        })
    }
}
