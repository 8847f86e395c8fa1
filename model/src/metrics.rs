//! What was measured of a resource. A value that was not measured is absent, never 0.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Pairs;

/// The most extra metrics that one observation may carry.
pub const MAX_EXTRA: usize = 64;
/// The longest name of a metric, in bytes.
pub const MAX_NAME: usize = 100;

/// The measurements of one observation: the contract's six by name, all others in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of the processors' time in use, 0 to 100.
    pub cpu_usage_percent: Option<f64>,
    /// Share of the memory in use, 0 to 100.
    pub memory_usage_percent: Option<f64>,
    /// Share of the fullest disk in use, 0 to 100.
    pub disk_usage_percent: Option<f64>,
    /// Bytes received and sent a second.
    pub network_io_bytes_per_sec: Option<f64>,
    /// Pods that run here.
    pub pod_count: Option<u64>,
    /// Replicas that are ready.
    pub ready_replicas: Option<u64>,
    /// Everything else, by name. Rows, events and log entries share what was measured once.
    pub extra: Arc<Pairs<f64>>,
}

impl Metrics {
    /// The value of a metric by its name, named ones first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts of pods are far below 2^53")]
        let count = |n: Option<u64>| n.map(|n| n as f64);
        match name {
            "cpu_usage_percent" => self.cpu_usage_percent,
            "memory_usage_percent" => self.memory_usage_percent,
            "disk_usage_percent" => self.disk_usage_percent,
            "network_io_bytes_per_sec" => self.network_io_bytes_per_sec,
            "pod_count" => count(self.pod_count),
            "ready_replicas" => count(self.ready_replicas),
            other => self.extra.get(other).copied(),
        }
    }

    /// Adds a value to `extra`, for probes that measure something of their own.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a value in `extra`.
    pub fn set(&mut self, name: &str, value: f64) {
        Arc::make_mut(&mut self.extra).insert(name, value);
    }

    /// Drops what is not a finite number and what is beyond the limits.
    #[must_use]
    pub fn sanitized(mut self) -> Self {
        for value in [
            &mut self.cpu_usage_percent,
            &mut self.memory_usage_percent,
            &mut self.disk_usage_percent,
            &mut self.network_io_bytes_per_sec,
        ] {
            *value = value.filter(|v| v.is_finite());
        }
        let fits = |name: &str, value: f64| value.is_finite() && name.len() <= MAX_NAME;
        if self.extra.len() > MAX_EXTRA || !self.extra.iter().all(|(name, v)| fits(name, *v)) {
            let mut room = MAX_EXTRA;
            Arc::make_mut(&mut self.extra).retain(|name, value| {
                let keep = fits(name, *value) && room > 0;
                room -= usize::from(keep);
                keep
            });
        }
        self
    }

    /// Every measured value with its name, in the order of the contract.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        const NAMED: [&str; 6] = [
            "cpu_usage_percent",
            "memory_usage_percent",
            "disk_usage_percent",
            "network_io_bytes_per_sec",
            "pod_count",
            "ready_replicas",
        ];
        let named = NAMED.into_iter().filter_map(|name| Some((name, self.get(name)?)));
        named.chain(self.extra.iter().map(|(name, value)| (name, *value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_never_pass() {
        let metrics = Metrics { cpu_usage_percent: Some(f64::NAN), ..Metrics::default() }
            .with("fine", 1.0)
            .with("broken", f64::INFINITY)
            .sanitized();
        assert_eq!(metrics.iter().collect::<Vec<_>>(), [("fine", 1.0)]);
    }

    #[test]
    fn extras_are_bounded() {
        let mut metrics = Metrics::default();
        for n in 0..1_000 {
            metrics = metrics.with(&format!("m{n:04}"), 1.0);
        }
        assert_eq!(metrics.sanitized().extra.len(), MAX_EXTRA);
    }
}
