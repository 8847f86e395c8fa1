//! Load: closed loops for throughput, open loops for latency.
//!
//! Invariant: in an open loop the latency of an operation counts from the moment at which it was
//! meant to start. A slow answer that delays the next operations is charged for all of them, as
//! the clients of a real system would see it ("coordinated omission", G. Tene).

mod histogram;

use std::{future::Future, time::Duration};

use anyhow::{Result, ensure};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use histogram::{Histogram, milliseconds};

/// Until all clients are ready to begin together.
const PREPARE: Duration = Duration::from_millis(50);

/// One client: it has at most one operation in flight.
pub trait Client: Send + 'static {
    /// Does one operation and checks its result.
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// How hard the clients work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each begins the next operation when the last one is done.
    Closed,
    /// So many operations a second begin, over all clients, whatever becomes of the former ones.
    Open(f64),
}

/// What clients saw.
#[derive(Debug, Clone)]
pub struct Load {
    /// Operations that were acknowledged within the span that was measured.
    pub done: u64,
    /// How long was measured.
    pub span: Duration,
    /// Their latencies; from the intended start in an open loop.
    pub times: Histogram,
    /// The share of the intended operations that began at all, 1 in a closed loop.
    pub kept_up: f64,
}

impl Load {
    /// Acknowledged operations a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.span.as_secs_f64()
    }

    /// A quantile of the latencies, in milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        milliseconds(self.times.quantile(quantile))
    }
}

#[derive(Clone, Copy)]
struct Schedule {
    /// When the first operation of this client is meant to start.
    first: Instant,
    warm: Instant,
    end: Instant,
    /// Between two operations of one client; none in a closed loop.
    step: Option<Duration>,
}

/// Lets the clients work for `warm_up`, which does not count, and then for `span`.
///
/// # Errors
/// The first operation that failed: a figure with failures in it means nothing.
pub async fn drive<C: Client>(
    clients: Vec<C>,
    pace: Pace,
    warm_up: Duration,
    span: Duration,
) -> Result<Load> {
    ensure!(!clients.is_empty(), "a load needs a client");
    let count = clients.len();
    let began = Instant::now() + PREPARE;
    let mut tasks = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        tasks.spawn(run(client, Schedule::new(began, pace, (number, count), warm_up, span)));
    }
    let (mut times, mut intended) = (Histogram::new(), 0);
    while let Some(joined) = tasks.join_next().await {
        let part = joined??;
        part.times.iter().for_each(|time| times.record(*time));
        intended += part.intended;
    }
    let done = times.count();
    Ok(Load { done, span, times, kept_up: share(done, intended) })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn share(done: u64, intended: u64) -> f64 {
    if intended == 0 { 1.0 } else { done as f64 / intended as f64 }
}

impl Schedule {
    /// Clients of an open loop begin evenly apart, so that they do not come in bursts.
    #[expect(clippy::cast_precision_loss, reason = "clients are few")]
    fn new(
        began: Instant,
        pace: Pace,
        (number, count): (usize, usize),
        warm_up: Duration,
        span: Duration,
    ) -> Self {
        let (warm, end) = (began + warm_up, began + warm_up + span);
        match pace {
            Pace::Closed => Self { first: began, warm, end, step: None },
            Pace::Open(rate) => {
                let step = Duration::from_secs_f64(count as f64 / rate);
                let first = began + step.mul_f64(number as f64 / count as f64);
                Self { first, warm, end, step: Some(step) }
            }
        }
    }
}

/// What one client saw. Latencies lie in a list here, because a histogram for each of a thousand
/// clients would crowd what is measured out of the processor's caches.
struct Part {
    times: Vec<Duration>,
    intended: u64,
}

async fn run<C: Client>(mut client: C, schedule: Schedule) -> Result<Part> {
    let mut part = Part { times: Vec::new(), intended: 0 };
    let mut intended = schedule.first;
    sleep_until(intended).await;
    while intended < schedule.end {
        let counts = intended >= schedule.warm;
        part.intended += u64::from(counts);
        // A client of an open loop that is hopelessly behind stops with the span: what it left
        // out shows as operations that were intended and not done.
        if schedule.step.is_none() || Instant::now() < schedule.end {
            client.once().await?;
            if counts {
                part.times.push(intended.elapsed());
            }
        }
        intended = next(intended, schedule.step).await;
    }
    Ok(part)
}

async fn next(intended: Instant, step: Option<Duration>) -> Instant {
    let Some(step) = step else { return Instant::now() };
    sleep_until(intended + step).await;
    intended + step
}

#[cfg(test)]
mod tests;
