//! What of a request counts for all methods: its parameters, its key, and how fresh the answer is to
//! be.

use axum::http::HeaderMap;
use model::{HealthStatus, ResourceId, WallTime};
use prost::Message;
use prost_types::Timestamp;
use raft::Consistency;
use tonic::metadata::MetadataMap;

use super::{surround::OWN_KEY, v1};
use crate::{
    error::ApiError,
    headers::{IdempotencyKey, Stamp},
    path,
};

/// The last moment that a time in text can say.
const LAST: i64 = 253_402_300_799_999;

const NANOS: i32 = 1_000_000_000;

/// What most clients take at once is 4 MiB: a page has less.
const PAGE_BYTES: usize = 3 << 20;

/// As many as fit on a page, and at least one.
pub(super) fn fitting<M: Message>(rows: impl Iterator<Item = M>) -> Vec<M> {
    let mut bytes = 0;
    let mut page = Vec::new();
    for row in rows {
        bytes += row.encoded_len();
        if bytes > PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(row);
    }
    page
}

/// An answer that says where it stands.
pub(super) fn stamped<T>(answer: T, stamp: &Stamp) -> tonic::Response<T> {
    super::fault::with_headers(answer, &stamp.headers())
}

/// The caller's key for a write, or one of ours.
pub(super) fn key(metadata: &MetadataMap) -> Result<IdempotencyKey, ApiError> {
    let headers: HeaderMap = metadata.clone().into_headers();
    let key = IdempotencyKey::read(&headers)?;
    Ok(if metadata.contains_key(OWN_KEY) { key.not_chosen() } else { key })
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
    let millis = time.seconds.checked_mul(1_000).filter(|_| (0..NANOS).contains(&time.nanos));
    let millis = millis.and_then(|millis| millis.checked_add(i64::from(time.nanos) / 1_000_000));
    let millis = millis.filter(|millis| (0..=LAST).contains(millis));
    let outside = || ApiError::invalid_at(field, "expected a time from 1970 to 9999");
    millis.map(WallTime).ok_or_else(outside)
}

pub(super) fn consistency(kind: i32) -> Result<Consistency, ApiError> {
    match known("consistency", v1::Consistency::try_from(kind))? {
        v1::Consistency::Unspecified | v1::Consistency::Linearizable => {
            Ok(Consistency::Linearizable)
        }
        v1::Consistency::Stale => Ok(Consistency::Stale),
    }
}

/// A value that this node knows. A newer client's is not taken for nothing said.
pub(super) fn known<T>(
    field: &str,
    value: Result<T, prost::UnknownEnumValue>,
) -> Result<T, ApiError> {
    value.map_err(|unknown| ApiError::invalid_at(field, format!("{unknown} here")))
}

/// As a parameter of REST.
pub(super) fn freshness(kind: i32) -> Result<(&'static str, String), ApiError> {
    let text = match consistency(kind)? {
        Consistency::Linearizable => "",
        Consistency::Stale => "stale",
    };
    Ok(("consistency", text.to_owned()))
}

/// As a parameter of REST.
pub(super) fn partial(is_allowed: bool) -> (&'static str, String) {
    ("partial", if is_allowed { "allow" } else { "" }.to_owned())
}

/// As a parameter of REST.
pub(super) fn wanted(name: &'static str, is_wanted: bool) -> (&'static str, String) {
    (name, if is_wanted { "true" } else { "" }.to_owned())
}

/// As a parameter of REST; 0 is what is usual.
pub(super) fn number(name: &'static str, number: u64) -> (&'static str, String) {
    (name, if number == 0 { String::new() } else { number.to_string() })
}

/// As parameters of REST.
pub(super) fn filter(
    filter: Option<v1::ResourceFilter>,
) -> Result<Vec<(&'static str, String)>, ApiError> {
    let filter = filter.unwrap_or_default();
    let status = v1::HealthStatus::try_from(filter.health_status);
    let health = match health(known("filter.health_status", status)?) {
        Some(status) => status.as_str().to_owned(),
        None => String::new(),
    };
    Ok(vec![
        ("resource_type", filter.resource_type),
        ("namespace", filter.namespace),
        ("labels", filter.labels),
        ("health_status", health),
        ("region", filter.region),
        ("cluster_id", filter.cluster_id),
        ("managed_by", filter.managed_by),
        ("name", filter.name),
    ])
}

/// What gRPC calls a parameter of a list.
pub(super) fn list_field(name: &str) -> String {
    match name {
        "?limit" => "page_size".to_owned(),
        "?continue" => "page_token".to_owned(),
        "?partial" => "allow_partial".to_owned(),
        "?consistency" | "?cursor" | "?after" => name.trim_start_matches('?').to_owned(),
        other => format!("filter.{}", other.trim_start_matches('?')),
    }
}

/// Where something stands in a document that is a field of a message.
pub(super) fn within(field: &str, pointer: &str) -> String {
    match pointer.is_empty() {
        true => field.to_owned(),
        false => format!("{field}{}", pointer.replace('/', ".")),
    }
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
        assert_eq!((of(5, -1), of(5, NANOS)), (None, None));
        assert_eq!(of(LAST / 1_000, 0), Some(WallTime(LAST / 1_000 * 1_000)));
        for seconds in [-1, i64::MAX, LAST / 1_000 + 1] {
            assert_eq!(of(seconds, 0), None, "{seconds}");
        }
    }

    #[test]
    fn what_is_not_said_is_no_parameter_and_what_is_not_known_is_refused() {
        let nothing = filter(None).unwrap().into_iter().chain([number("limit", 0), partial(false)]);
        assert!(nothing.into_iter().all(|(_, value)| value.is_empty()));
        let with = |health_status| {
            filter(Some(v1::ResourceFilter { health_status, ..v1::ResourceFilter::default() }))
        };
        let down = with(v1::HealthStatus::Critical.into()).unwrap();
        assert!(down.contains(&("health_status", "CRITICAL".to_owned())));
        assert!(with(99).is_err() && consistency(99).is_err());
    }

    #[test]
    fn fields_are_named_as_messages_name_them() {
        assert_eq!(list_field("?limit"), "page_size");
        assert_eq!(list_field("?labels"), "filter.labels");
        assert_eq!(within("declaration", "/check/http/url"), "declaration.check.http.url");
        assert_eq!(within("declaration", ""), "declaration");
    }
}
