//! Latencies with three significant digits, from a microsecond to a minute.

use std::time::Duration;

/// The longest latency that is told apart; longer ones count as this.
const LONGEST_MICROS: u64 = 60_000_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Without a latency.
    ///
    /// # Panics
    /// Never: the bounds are valid.
    #[must_use]
    pub fn new() -> Self {
        let inner = hdrhistogram::Histogram::new_with_bounds(1, LONGEST_MICROS, 3);
        Self(inner.expect("the bounds are constant and valid"))
    }

    /// Counts a latency.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_MICROS);
        self.0.saturating_record(micros.max(1));
    }

    /// Adds what another one counted.
    ///
    /// # Panics
    /// Never: all have the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency below which this share of all lies, 0 to 1; zero where none was counted.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }
}

/// A length of time as milliseconds with fractions.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_recorded_in_all_parts() {
        let (mut first, mut second) = (Histogram::new(), Histogram::new());
        (1..=50).for_each(|n| first.record(Duration::from_millis(n)));
        (51..=100).for_each(|n| second.record(Duration::from_millis(n)));
        first.merge(&second);
        assert_eq!(first.count(), 100);
        assert!((milliseconds(first.quantile(0.5)) - 50.0).abs() < 0.1);
        assert!((milliseconds(first.quantile(0.99)) - 99.0).abs() < 0.1);
    }
}
