//! What of a request counts for all methods: its parameters, its key, and how fresh the answer is to
//! be.

use axum::http::HeaderMap;
use model::{HealthStatus, ResourceId, WallTime};
use prost_types::Timestamp;
use raft::Consistency;
use tonic::metadata::MetadataMap;

use super::v1;
use crate::{
    error::ApiError,
    headers::{IdempotencyKey, Stamp},
    path,
};

/// The last moment that a time in text can say.
const LAST: i64 = 253_402_300_799_999;

/// An answer that says where it stands.
pub(super) fn stamped<T>(answer: T, stamp: &Stamp) -> tonic::Response<T> {
    super::fault::with_headers(answer, &stamp.headers())
}

/// The caller's key for a write, or one of ours.
pub(super) fn key(metadata: &MetadataMap) -> Result<IdempotencyKey, ApiError> {
    let headers: HeaderMap = metadata.clone().into_headers();
    IdempotencyKey::read(&headers)
}

pub(super) fn resource_id(text: &str) -> Result<ResourceId, ApiError> {
    ResourceId::new(text).map_err(|error| ApiError::invalid_at("resource_id", error.to_string()))
}

/// The name of a node or a cluster.
pub(super) fn name<'a>(field: &str, text: &'a str) -> Result<&'a str, ApiError> {
    path::name(text, field)
}

/// The name of a maintenance window; it obeys the rules of ids.
pub(super) fn window(text: &str) -> Result<&str, ApiError> {
    ResourceId::new(text).map_err(|error| ApiError::invalid_at("name", error.to_string()))?;
    Ok(text)
}

/// To the millisecond.
pub(super) fn moment(field: &str, time: Timestamp) -> Result<WallTime, ApiError> {
    let millis = time.seconds.checked_mul(1_000);
    let millis = millis.and_then(|millis| millis.checked_add(i64::from(time.nanos) / 1_000_000));
    let millis = millis.filter(|millis| (0..=LAST).contains(millis));
    let outside = || ApiError::invalid_at(field, "expected a time from 1970 to 9999");
    millis.map(WallTime).ok_or_else(outside)
}

pub(super) fn consistency(kind: v1::Consistency) -> Consistency {
    match kind {
        v1::Consistency::Unspecified | v1::Consistency::Linearizable => Consistency::Linearizable,
        v1::Consistency::Stale => Consistency::Stale,
    }
}

/// As a parameter of REST.
pub(super) fn freshness(kind: v1::Consistency) -> (&'static str, String) {
    let text = match consistency(kind) {
        Consistency::Linearizable => "",
        Consistency::Stale => "stale",
    };
    ("consistency", text.to_owned())
}

/// As a parameter of REST.
pub(super) fn partial(is_allowed: bool) -> (&'static str, String) {
    ("partial", if is_allowed { "allow" } else { "" }.to_owned())
}

/// As a parameter of REST; 0 is what is usual.
pub(super) fn number(name: &'static str, number: u64) -> (&'static str, String) {
    (name, if number == 0 { String::new() } else { number.to_string() })
}

/// As parameters of REST.
pub(super) fn filter(filter: Option<v1::ResourceFilter>) -> Vec<(&'static str, String)> {
    let filter = filter.unwrap_or_default();
    let health = match health(filter.health_status()) {
        Some(status) => status.as_str().to_owned(),
        None => String::new(),
    };
    vec![
        ("resource_type", filter.resource_type),
        ("namespace", filter.namespace),
        ("labels", filter.labels),
        ("health_status", health),
        ("region", filter.region),
        ("cluster_id", filter.cluster_id),
        ("managed_by", filter.managed_by),
        ("name", filter.name),
    ]
}

fn health(status: v1::HealthStatus) -> Option<HealthStatus> {
    Some(match status {
        v1::HealthStatus::Unspecified => return None,
        v1::HealthStatus::Healthy => HealthStatus::Healthy,
        v1::HealthStatus::Warning => HealthStatus::Warning,
        v1::HealthStatus::Critical => HealthStatus::Critical,
        v1::HealthStatus::Unknown => HealthStatus::Unknown,
        v1::HealthStatus::Maintenance => HealthStatus::Maintenance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_text_can_say() {
        let of = |seconds, nanos| moment("at", Timestamp { seconds, nanos }).ok();
        assert_eq!(of(5, 7_000_000), Some(WallTime(5_007)));
        assert_eq!(of(LAST / 1_000, 0), Some(WallTime(LAST / 1_000 * 1_000)));
        for seconds in [-1, i64::MAX, LAST / 1_000 + 1] {
            assert_eq!(of(seconds, 0), None, "{seconds}");
        }
    }

    #[test]
    fn what_is_not_said_is_no_parameter() {
        let nothing = filter(None).into_iter().chain([number("limit", 0), partial(false)]);
        assert!(nothing.into_iter().all(|(_, value)| value.is_empty()));
        let down = v1::ResourceFilter {
            health_status: v1::HealthStatus::Critical.into(),
            ..v1::ResourceFilter::default()
        };
        assert!(filter(Some(down)).contains(&("health_status", "CRITICAL".to_owned())));
    }
}
