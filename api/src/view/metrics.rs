//! Measurements as the contract shows them: null where nothing was measured, never 0.

use std::sync::Arc;

use model::{Metrics, Pairs};
use serde::Serialize;
use utoipa::ToSchema;

/// What was measured of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ResourceMetrics)]
pub(crate) struct MetricsView {
    /// Share of the processors' time in use, 0 to 100.
    #[schema(required)]
    cpu_usage_percent: Option<f64>,
    /// Share of the memory in use, 0 to 100.
    #[schema(required)]
    memory_usage_percent: Option<f64>,
    /// Share of the fullest disk in use, 0 to 100.
    #[schema(required)]
    disk_usage_percent: Option<f64>,
    /// Bytes received and sent a second.
    #[schema(required)]
    network_io_bytes_per_sec: Option<f64>,
    /// Pods that run here.
    #[schema(required)]
    pod_count: Option<u64>,
    /// Replicas that are ready.
    #[schema(required)]
    ready_replicas: Option<u64>,
    /// Everything else, by name.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    extra: Arc<Pairs<f64>>,
}

impl MetricsView {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        Self {
            cpu_usage_percent: metrics.cpu_usage_percent,
            memory_usage_percent: metrics.memory_usage_percent,
            disk_usage_percent: metrics.disk_usage_percent,
            network_io_bytes_per_sec: metrics.network_io_bytes_per_sec,
            pod_count: metrics.pod_count,
            ready_replicas: metrics.ready_replicas,
            extra: Arc::clone(&metrics.extra),
        }
    }
}
