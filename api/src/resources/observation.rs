//! What a client says of a push-fed resource, and how it is read.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Metrics, Outcome, ResourceId, WallTime,
    decode::{Fields, Problems, body, child, integer, number},
    metrics::{MAX_EXTRA, MAX_NAME},
};
use raft::Push;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::schema::{Object, ObjectBuilder, SchemaType, Type},
};

use crate::error::ApiError;

const MAX_MESSAGE: usize = 4_096;
/// The names of metrics that are not the contract's, for the description of the API.
const NAME: &str = "^[A-Za-z0-9_.:-]{1,100}$";
const NAMED: [&str; 6] = [
    "cpu_usage_percent",
    "memory_usage_percent",
    "disk_usage_percent",
    "network_io_bytes_per_sec",
    "pod_count",
    "ready_replicas",
];

/// An observation of a push-fed resource.
#[derive(ToSchema)]
#[schema(as = Observation, examples(json!({
    "outcome": "warning", "message": "queue is long", "metrics": {"queue_length": 912.0},
    "observed_at": "2026-11-21T10:00:00Z"
})))]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(crate) struct Observation {
    /// `ok`, `warning` or `critical`.
    #[schema(pattern = "^(ok|warning|critical)$")]
    outcome: String,
    /// Why, for people; kept up to 300 bytes.
    #[schema(max_length = 1024)]
    message: Option<String>,
    /// What was measured, by name; at most 64 beside the contract's six.
    #[schema(schema_with = metrics_schema)]
    metrics: Option<BTreeMap<String, f64>>,
    /// When it was seen: newer than the last one, from 1970 on, and at most 5 minutes ahead. Now
    /// where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<String>,
}

/// Numbers by name, of which the contract's counts are whole.
fn metrics_schema() -> Object {
    let name = || ObjectBuilder::new().schema_type(Type::String).pattern(Some(NAME)).build();
    let extra = or_null(Type::Object)
        .description(Some("More numbers by name, where a client keeps them apart"))
        .property_names(Some(name()))
        .additional_properties(Some(or_null(Type::Number)));
    or_null(Type::Object)
        .description(Some("What was measured, by name; at most 64 beside the contract's six"))
        .property_names(Some(name()))
        .additional_properties(Some(or_null(Type::Number)))
        .property("pod_count", or_null(Type::Integer).minimum(Some(0)))
        .property("ready_replicas", or_null(Type::Integer).minimum(Some(0)))
        .property("extra", extra)
        .max_properties(Some(MAX_EXTRA))
        .build()
}

fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

/// Reads an observation of `id`; without `observed_at` it was made `now`.
pub(super) fn read(id: &ResourceId, document: &Value, now: WallTime) -> Result<Push, ApiError> {
    let problems = Problems::default();
    match decode(id, document, now, &problems) {
        Some(push) if problems.is_empty() => Ok(push),
        _ => Err(ApiError::from_problems(problems)),
    }
}

fn decode(id: &ResourceId, document: &Value, now: WallTime, problems: &Problems) -> Option<Push> {
    let mut fields = Fields::new(document, "", problems)?;
    let verdict = fields.required("outcome", verdict);
    let message = fields.optional("message", body(MAX_MESSAGE)).unwrap_or_default();
    let observed_at = fields.optional("observed_at", wall_time).unwrap_or(now);
    let metrics = fields.object("metrics").map(|inner| (inner, fields.at("metrics")));
    let raw = document.get("metrics").filter(|value| value.is_object());
    let metrics = match (metrics, raw) {
        (Some((inner, pointer)), Some(raw)) => measured(inner, raw, &pointer, problems),
        _ => Metrics::default(),
    };
    fields.finish();
    let outcome = verdict?.outcome(&message).sanitized();
    Some(Push { resource: id.clone(), outcome, metrics, observed_at })
}

#[derive(Clone, Copy)]
enum Verdict {
    Ok,
    Warning,
    Critical,
}

impl Verdict {
    fn outcome(self, message: &str) -> Outcome {
        let or = |default: &str| if message.is_empty() { default } else { message }.to_owned();
        match self {
            Self::Ok => Outcome::Passed { message: message.to_owned() },
            Self::Warning => Outcome::warning(or("reported as warning")),
            Self::Critical => Outcome::critical(or("reported as critical")),
        }
    }
}

fn verdict(value: &Value) -> Result<Verdict, String> {
    match value.as_str() {
        Some("ok") => Ok(Verdict::Ok),
        Some("warning") => Ok(Verdict::Warning),
        Some("critical") => Ok(Verdict::Critical),
        _ => Err("expected `ok`, `warning` or `critical`".to_owned()),
    }
}

fn wall_time(value: &Value) -> Result<WallTime, String> {
    value.as_str().and_then(WallTime::parse_rfc3339).ok_or_else(|| {
        "expected an RFC 3339 time from 1970 to 9999 such as 2026-01-31T22:00:00Z".to_owned()
    })
}

/// The contract's six by name, all others as extras, be they beside the six or in `extra`.
fn measured(mut fields: Fields<'_>, raw: &Value, pointer: &str, problems: &Problems) -> Metrics {
    let count = integer(0, u64::MAX);
    let mut metrics = Metrics {
        cpu_usage_percent: fields.optional("cpu_usage_percent", number),
        memory_usage_percent: fields.optional("memory_usage_percent", number),
        disk_usage_percent: fields.optional("disk_usage_percent", number),
        network_io_bytes_per_sec: fields.optional("network_io_bytes_per_sec", number),
        pod_count: fields.optional("pod_count", &count),
        ready_replicas: fields.optional("ready_replicas", &count),
        extra: Default::default(),
    };
    let beside = raw.as_object().into_iter().flatten();
    let beside = beside
        .filter(|(name, _)| !NAMED.contains(&name.as_str()) && *name != "extra")
        .map(|(name, value)| (child(pointer, name), name.as_str(), value));
    let within = fields.entries("extra", MAX_EXTRA);
    let mut found = BTreeMap::new();
    for (place, name, value) in beside.chain(within).filter(|(_, _, value)| !value.is_null()) {
        match extra(name, value) {
            Ok(value) => drop(found.insert(name, value)),
            Err(detail) => problems.report(place, detail),
        }
    }
    if found.len() > MAX_EXTRA {
        let found = found.len();
        problems.report(pointer, format!("at most {MAX_EXTRA} extra metrics, found {found}"));
        return metrics;
    }
    metrics.extra = Arc::new(found.into_iter().collect());
    metrics
}

fn extra(name: &str, value: &Value) -> Result<f64, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(allowed) {
        return Err(format!(
            "a metric's name has 1 to {MAX_NAME} characters of A-Z a-z 0-9 _ . : -"
        ));
    }
    if NAMED.contains(&name) {
        return Err(format!("`{name}` has its place beside `extra`"));
    }
    number(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id() -> ResourceId {
        "job:backup".parse().unwrap()
    }

    #[test]
    fn an_observation_is_read_with_its_extras() {
        let document = json!({"outcome": "warning", "message": "slow\nvery",
            "metrics": {"cpu_usage_percent": 7, "pod_count": 3, "queue": 9.5, "extra": {"load1": 1}},
            "observed_at": "1970-01-01T00:00:05Z"});
        let push = read(&id(), &document, WallTime(0)).unwrap();
        assert_eq!(push.outcome, Outcome::warning("slow very"));
        assert_eq!(push.observed_at, WallTime(5_000));
        assert_eq!(push.metrics.cpu_usage_percent, Some(7.0));
        assert_eq!(push.metrics.pod_count, Some(3));
        assert_eq!(push.metrics.get("queue"), Some(9.5));
        assert_eq!(push.metrics.get("load1"), Some(1.0));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let push = read(&id(), &json!({"outcome": "critical"}), WallTime(7)).unwrap();
        assert_eq!(push.outcome, Outcome::critical("reported as critical"));
        assert_eq!(push.observed_at, WallTime(7));
        assert_eq!(push.metrics, Metrics::default());
    }

    #[test]
    fn every_bad_field_is_named() {
        let many: BTreeMap<String, u8> = (0..65).map(|n| (format!("m{n}"), 1)).collect();
        for (bad, pointer) in [
            (json!([]), "expected keys and values"),
            (json!({}), "`outcome` is missing"),
            (json!({"outcome": "fine"}), "/outcome"),
            (json!({"outcome": "ok", "observed_at": "noon"}), "/observed_at"),
            (json!({"outcome": "ok", "metrics": 5}), "/metrics"),
            (json!({"outcome": "ok", "metrics": {"a b": 5}}), "/metrics/a b"),
            (json!({"outcome": "ok", "metrics": {"a": "x"}}), "/metrics/a"),
            (json!({"outcome": "ok", "metrics": {"pod_count": -1}}), "/metrics/pod_count"),
            (json!({"outcome": "ok", "metrics": {"extra": {"pod_count": 1}}}), "/extra/pod_count"),
            (json!({"outcome": "ok", "metrics": many}), "at most 64 extra metrics"),
            (json!({"outcome": "ok", "colour": 1}), "/colour"),
        ] {
            let error = format!("{:?}", read(&id(), &bad, WallTime(0)).unwrap_err());
            assert!(error.contains(pointer), "{pointer} is missing in {error}");
        }
    }
}
