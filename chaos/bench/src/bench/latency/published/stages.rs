//! When each event passed the places on its way, by the stamps that it carries.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result};
use chrono::DateTime;
use serde::Deserialize;

use super::super::{
    super::topic::{Arrival, Clock},
    Flips, Reader,
};
use crate::{baseline::Latency, peer::pulsar::Sample};

/// Stamps are whole milliseconds: what is meant is half of one more, on average.
const HALF_MICROS: u64 = 500;

/// What came to the consumer so far.
pub(super) struct Seen {
    clock: Clock,
    decided: Vec<f64>,
    sent: Vec<f64>,
    read: Vec<f64>,
    sample: Option<Sample>,
}

/// From the reply to the decision, from there to the connection, and from the connection to the
/// consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stages {
    /// From the reply.
    pub(super) decided: Latency,
    /// From the reply.
    pub(super) sent: Latency,
    /// From when it was sent.
    pub(super) read: Latency,
}

#[derive(Deserialize)]
struct Body {
    infrastructure_status: Status,
}

#[derive(Deserialize)]
struct Status {
    health_status: String,
    previous_status: Option<String>,
}

impl Seen {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, decided: Vec::new(), sent: Vec::new(), read: Vec::new(), sample: None }
    }

    /// Takes an event in. Those of declarations and of first observations are no flips.
    pub(super) fn take(&mut self, arrival: &Arrival, flips: &Arc<Flips>) -> Result<()> {
        if !arrival.property("type")?.ends_with("status.updated.v1") {
            return Ok(());
        }
        let Body { infrastructure_status: status } = serde_json::from_slice(arrival.body())?;
        if status.previous_status.is_none_or(|previous| previous == "UNKNOWN") {
            return Ok(());
        }
        let n = arrival.property("subject")?.strip_prefix("endpoint:");
        let n = n.context("an event of no target")?.parse()?;
        let up = status.health_status == "HEALTHY";
        if let Some(told) = flips.arrived(Reader::Topic, n, up, arrival.at)? {
            self.note(arrival, told)?;
        }
        if self.sample.is_none() {
            self.sample = Some(arrival.sample());
        }
        Ok(())
    }

    fn note(&mut self, arrival: &Arrival, told: Instant) -> Result<()> {
        let decided = DateTime::parse_from_rfc3339(arrival.property("time")?)?.timestamp_millis();
        let decided = u64::try_from(decided)? * 1_000 + HALF_MICROS;
        let sent = arrival.sent_ms() * 1_000 + HALF_MICROS;
        let (told, read) = (self.clock.micros(told), self.clock.micros(arrival.at));
        self.decided.push(between(told, decided));
        self.sent.push(between(told, sent));
        self.read.push(between(sent, read));
        Ok(())
    }

    pub(super) fn stages(&self) -> Stages {
        let Self { decided, sent, read, .. } = self;
        Stages { decided: of(decided), sent: of(sent), read: of(read) }
    }

    /// An event as they are.
    pub(super) fn sample(&self) -> Option<Sample> {
        self.sample.clone()
    }
}

/// In milliseconds; less than nothing where the half that was added is too much.
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 µs")]
fn between(from: u64, to: u64) -> f64 {
    if to >= from { (to - from) as f64 / 1e3 } else { -((from - to) as f64 / 1e3) }
}

fn of(times: &[f64]) -> Latency {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |hundredths: usize| sorted.get(sorted.len() * hundredths / 100).copied();
    Latency { p50_ms: at(50).unwrap_or_default(), p99_ms: at(99).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_in_milliseconds_and_may_be_below_nothing() {
        assert!((between(1_000, 3_500) - 2.5).abs() < 1e-9);
        assert!((between(3_500, 3_000) + 0.5).abs() < 1e-9);
        let times: Vec<f64> = (0..100).map(f64::from).collect();
        let Latency { p50_ms, p99_ms } = of(&times);
        assert!((p50_ms - 50.0).abs() < 1e-9 && (p99_ms - 99.0).abs() < 1e-9);
    }
}
