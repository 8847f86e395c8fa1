//! What a declaration looks like, for the description of the API, and how one is read.

use model::{ResourceId, ResourceSpec, decode::Problems};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{error::ApiError, state::ApiState, view::resource_types};

/// A declaration. Keys that are left out get the node's defaults; unknown keys are errors.
#[derive(ToSchema)]
#[schema(as = Declaration, examples(json!({
    "type": "ENDPOINT", "name": "shop", "namespace": "web", "labels": {"team": "shop"},
    "interval": "5s", "check": {"http": {"url": "http://127.0.0.1:8000/", "status": ["200-299"]}}
})))]
#[expect(dead_code, reason = "describes what the model's decoder reads")]
pub(crate) struct Declaration {
    /// The id; must equal the one in the path.
    #[schema(pattern = "^[A-Za-z0-9._:@-]{1,200}$")]
    id: Option<String>,
    /// What kind of thing it is, such as `ENDPOINT`.
    #[schema(schema_with = resource_types)]
    r#type: String,
    /// A name for people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// A Kubernetes namespace, or any other grouping.
    #[schema(min_length = 1, max_length = 100)]
    namespace: Option<String>,
    /// The cluster that it is part of.
    #[schema(min_length = 1, max_length = 100)]
    cluster_id: Option<String>,
    /// Labels for selectors.
    labels: Option<std::collections::BTreeMap<String, String>>,
    /// Where it is; the region of the node that is asked where absent.
    #[schema(min_length = 1, max_length = 100)]
    region: Option<String>,
    /// Parents. They are read and checked for cycles; this version suppresses nothing by them.
    #[schema(max_items = 64)]
    depends_on: Option<Vec<String>>,
    /// What to check: one key of `host`, `http`, `tcp`, `icmp`, `dns`, `tls`, `push`.
    #[schema(value_type = Object)]
    check: Value,
    /// How often, such as `10s`.
    #[schema(pattern = "^([0-9]+(d|h|m|s|ms))+$")]
    interval: Option<String>,
    /// How long one check may take.
    #[schema(pattern = "^([0-9]+(d|h|m|s|ms))+$")]
    timeout: Option<String>,
    /// Failed checks in a row before the health falls.
    #[schema(minimum = 1, maximum = 1000)]
    failures: Option<u32>,
    /// Passed checks in a row before it recovers.
    #[schema(minimum = 1, maximum = 1000)]
    successes: Option<u32>,
    /// Silence longer than this is UNKNOWN.
    #[schema(pattern = "^([0-9]+(d|h|m|s|ms))+$")]
    stale_after: Option<String>,
    /// Limits by metric: `warning`, `critical`, `direction`, `hysteresis`, `for`.
    #[schema(value_type = Option<Object>)]
    thresholds: Option<Value>,
    /// `{ changes, window }`, or `false` to switch an inherited default off.
    #[schema(value_type = Option<Value>)]
    flapping: Option<Value>,
}

/// Reads the declaration of `id`.
pub(super) fn read(
    api: &ApiState,
    id: &ResourceId,
    body: &Value,
) -> Result<ResourceSpec, ApiError> {
    let context = (api.hooks().declarations)();
    let problems = Problems::default();
    let spec = context.decoder().decode(body, "", Some(id), &problems);
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(ApiError::from_problems(problems)),
    }
}
