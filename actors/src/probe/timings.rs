//! How long the parts of a probe took.

use std::time::Duration;

use model::Metrics;

/// The parts that were reached; the others are absent, never 0.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timings {
    /// Name resolution; absent for an address.
    pub(crate) resolve: Option<Duration>,
    /// The TCP handshake with the address that answered.
    pub(crate) connect: Option<Duration>,
    /// The TLS handshake.
    pub(crate) tls: Option<Duration>,
    /// From the request to the first byte of its answer.
    pub(crate) first_byte: Option<Duration>,
}

impl Timings {
    /// Adds them to the metrics, in milliseconds.
    pub(crate) fn record(&self, metrics: &mut Metrics) {
        for (name, time) in [
            ("resolve_ms", self.resolve),
            ("connect_ms", self.connect),
            ("tls_ms", self.tls),
            ("first_byte_ms", self.first_byte),
        ] {
            if let Some(time) = time {
                put(metrics, name, millis(time));
            }
        }
    }
}

/// Adds one measured value.
pub(crate) fn put(metrics: &mut Metrics, name: &str, value: f64) {
    metrics.set(name, value);
}

/// Milliseconds to the microsecond.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_reached_is_absent() {
        let mut metrics = Metrics::default();
        Timings { connect: Some(Duration::from_micros(1_500)), ..Timings::default() }
            .record(&mut metrics);
        assert_eq!(metrics.iter().collect::<Vec<_>>(), [("connect_ms", 1.5)]);
    }
}
