//! The HTTP check: one request, its redirects, and what the answer must be.
//!
//! Invariant: an answer never costs more than 64 KiB of head and 1 MiB of body, and a body
//! is never decompressed.

mod body;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod plain;
mod plan;
mod redirect;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use model::{Metrics, Outcome, check::HttpCheck};
use tokio::time::Instant;

use self::{
    exchange::{Answer, Caller, Seen},
    plan::Plan,
    redirect::{Route, Step},
};
use super::{
    Finding, Probe, Shared,
    budget::Budget,
    fault::{Fault, conclude},
    files::bearer,
    timings::{Timings, millis, put},
    trust::Expiry,
};

/// An HTTP check, prepared.
pub(super) struct HttpProbe {
    shared: Arc<Shared>,
    plan: Plan,
}

/// What was measured on the way to the verdict.
#[derive(Default)]
struct Measured {
    timings: Timings,
    duration: Option<Duration>,
    status: Option<u16>,
    body_bytes: Option<usize>,
    /// The first of the certificates on the way that ends.
    expiry: Option<Expiry>,
}

impl HttpProbe {
    /// Prepares it, or says why it cannot be.
    pub(super) fn new(shared: Arc<Shared>, check: &HttpCheck) -> Result<Self, String> {
        let plan = Plan::new(check, &shared.tls)?;
        Ok(Self { shared, plan })
    }

    async fn examine(&self, budget: Budget, measured: &mut Measured) -> Result<Outcome, Fault> {
        let own_headers = self.own_headers(budget).await?;
        let mut route = Route::new(self.plan.first_step(), self.plan.redirects);
        loop {
            let answer = self.ask(route.step(), &own_headers, budget, measured).await?;
            let next = match route.follow(&answer) {
                Ok(next) => next,
                Err(fault) => {
                    answer.finish(budget).await;
                    return Err(fault);
                }
            };
            if !next {
                return self.judge(answer, budget, measured).await;
            }
            answer.finish(budget).await;
        }
    }

    /// The declared headers and the token. They go to the declared origin only.
    async fn own_headers(&self, budget: Budget) -> Result<HeaderMap, Fault> {
        let mut headers = self.plan.headers.clone();
        if let Some(secret) = &self.plan.bearer {
            let token = bearer(&self.shared, secret, budget).await?;
            headers.insert(hyper::header::AUTHORIZATION, token);
        }
        Ok(headers)
    }

    async fn ask(
        &self,
        step: &Step,
        own_headers: &HeaderMap,
        budget: Budget,
        measured: &mut Measured,
    ) -> Result<Answer, Fault> {
        let request = self.plan.request(step, own_headers)?;
        let caller = Caller { shared: &self.shared, trust: &self.plan.trust, budget };
        let mut seen = Seen::default();
        let answer = caller.ask(&step.url, request, &mut seen).await;
        measured.timings = seen.timings;
        measured.expiry = measured.expiry.into_iter().chain(seen.expiry).min();
        let answer = answer?;
        measured.status = Some(answer.status());
        measured.duration = Some(budget.used());
        Ok(answer)
    }

    async fn judge(
        &self,
        mut answer: Answer,
        budget: Budget,
        measured: &mut Measured,
    ) -> Result<Outcome, Fault> {
        let verdict = self.verdict(&mut answer, budget, measured).await;
        measured.duration = Some(budget.used());
        answer.finish(budget).await;
        verdict?;
        let min_days = self.plan.min_days.unwrap_or(0);
        let judged = measured.expiry.filter(|_| self.plan.min_days.is_some());
        Ok(judged.map_or_else(Outcome::passed, |expiry| expiry.verdict(min_days)))
    }

    async fn verdict(
        &self,
        answer: &mut Answer,
        budget: Budget,
        measured: &mut Measured,
    ) -> Result<(), Fault> {
        let status = answer.status();
        if !self.plan.status.iter().any(|range| (range.from..=range.to).contains(&status)) {
            return Err(Fault::failed(format!("status {status}")));
        }
        if self.plan.checks.is_empty() {
            return Ok(());
        }
        body::refuse_encoded(answer.headers())?;
        let content = body::read(answer, budget).await?;
        measured.body_bytes = Some(content.len());
        body::judge(&self.plan.checks, content, budget).await
    }
}

impl Probe for HttpProbe {
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
        Box::pin(async move {
            let budget = Budget::until(deadline);
            let mut measured = Measured::default();
            let result = self.examine(budget, &mut measured).await;
            conclude(result, measured.metrics(budget))
        })
    }
}

impl Measured {
    fn metrics(&self, budget: Budget) -> Metrics {
        let mut metrics = Metrics::default();
        let duration = self.duration.unwrap_or_else(|| budget.used());
        put(&mut metrics, "duration_ms", millis(duration));
        self.timings.record(&mut metrics);
        if let Some(status) = self.status {
            put(&mut metrics, "status_code", f64::from(status));
        }
        if let Some(bytes) = self.body_bytes {
            put(&mut metrics, "body_bytes", f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
        if let Some(expiry) = self.expiry {
            put(&mut metrics, "certificate_expiry_days", expiry.days_left());
        }
        metrics
    }
}
