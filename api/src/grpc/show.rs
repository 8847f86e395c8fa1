//! What is stored, as messages.

use model::{HealthStatus, Metrics, Millis, WallTime};
use prost_types::{Duration, Timestamp};
use raft::Row;

use super::{document, v1};

pub(super) fn resource(row: &Row) -> v1::Resource {
    let (spec, state) = (&row.resource.spec, &row.resource.state);
    let identity = &row.resource.identity;
    v1::Resource {
        resource_id: spec.id.to_string(),
        resource_type: spec.resource_type.as_str().to_owned(),
        name: spec.name.clone(),
        namespace: spec.namespace.clone(),
        cluster_id: spec.cluster_id.clone(),
        labels: spec.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        region: spec.region.clone(),
        health_status: health(row.resource.status()).into(),
        reason: state.health.reason(),
        metrics: Some(metrics(&state.metrics)),
        last_updated: Some(timestamp(state.last_updated)),
        health_since: Some(timestamp(state.health_since)),
        sequence: state.sequence.0,
        incarnation: identity.incarnation.to_string(),
        generation: identity.generation.0,
        revision: row.resource.revision().0,
        shard: row.shard.0,
        term: row.term.0,
        managed_by: identity.owner.to_string(),
        check: Some(document::to_struct(spec.check.to_json())),
        interval: Some(duration(spec.interval)),
        depends_on: spec.depends_on.iter().map(ToString::to_string).collect(),
        suppressed_by: state.suppressed_by.as_ref().map(|(parent, revision)| v1::SuppressedBy {
            resource_id: parent.to_string(),
            revision: revision.0,
        }),
    }
}

pub(super) fn metrics(metrics: &Metrics) -> v1::Metrics {
    v1::Metrics {
        cpu_usage_percent: metrics.cpu_usage_percent,
        memory_usage_percent: metrics.memory_usage_percent,
        disk_usage_percent: metrics.disk_usage_percent,
        network_io_bytes_per_sec: metrics.network_io_bytes_per_sec,
        pod_count: metrics.pod_count,
        ready_replicas: metrics.ready_replicas,
        extra: metrics.extra.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
    }
}

pub(super) const fn health(status: HealthStatus) -> v1::HealthStatus {
    match status {
        HealthStatus::Healthy => v1::HealthStatus::Healthy,
        HealthStatus::Warning => v1::HealthStatus::Warning,
        HealthStatus::Critical => v1::HealthStatus::Critical,
        HealthStatus::Unknown => v1::HealthStatus::Unknown,
        HealthStatus::Maintenance => v1::HealthStatus::Maintenance,
    }
}

pub(super) fn timestamp(time: WallTime) -> Timestamp {
    let nanos = i32::try_from(time.0.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    Timestamp { seconds: time.0.div_euclid(1_000), nanos }
}

fn duration(span: Millis) -> Duration {
    let nanos = i32::try_from(span.0 % 1_000 * 1_000_000).unwrap_or(0);
    Duration { seconds: i64::try_from(span.0 / 1_000).unwrap_or(i64::MAX), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_milliseconds() {
        assert_eq!(timestamp(WallTime(1_234)), Timestamp { seconds: 1, nanos: 234_000_000 });
        assert_eq!(timestamp(WallTime(-1)), Timestamp { seconds: -1, nanos: 999_000_000 });
        assert_eq!(duration(Millis(2_500)), Duration { seconds: 2, nanos: 500_000_000 });
    }
}
