//! `GET …/resources/{id}/policy`: the rules by which a resource is judged.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{Millis, Policy, ResourceId};
use raft::{Consistency, Row};
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::{error::ApiError, headers::Stamp, path::ResourcePath, query::Query, state::ApiState};

/// The rules by which a resource is judged, all defaults filled in, as its declaration writes them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourcePolicy)]
pub(crate) struct PolicyView {
    /// The declaration that they are of.
    generation: u64,
    /// Failed checks in a row before the health falls.
    failures: u32,
    /// Passed checks in a row before it recovers.
    successes: u32,
    /// Silence longer than this is UNKNOWN.
    #[schema(value_type = String, examples("30s"))]
    stale_after: Millis,
    /// Limits by metric: `warning`, `critical`, `direction`, `hysteresis`, `for`.
    #[schema(value_type = Object)]
    thresholds: serde_json::Value,
    /// `changes` within a `window` that are one condition; null where that is not looked for.
    #[schema(value_type = Option<Object>, required)]
    flapping: serde_json::Value,
}

/// Reads the rules by which a resource is judged.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/resources/{id}/policy", tag = "resources",
    operation_id = "getResourcePolicy",
    params(
        ("id" = String, Path, description = "The resource's id", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("consistency" = Option<String>, Query, description = "`linearizable` (the default) or `stale`", pattern = "^(linearizable|stale)$"),
    ),
    responses((status = 200, description = "The policy in force", body = PolicyView))
)]
pub(crate) async fn get_resource_policy(
    State(api): State<ApiState>,
    ResourcePath(id): ResourcePath,
    mut query: Query,
) -> Result<Response, ApiError> {
    let consistency = query.consistency();
    query.finish()?;
    let (stamp, policy) = policy(&api, &id, consistency).await?;
    Ok((stamp, Json(policy)).into_response())
}

/// The policy in force, and where the answer stands.
pub(crate) async fn policy(
    api: &ApiState,
    id: &ResourceId,
    consistency: Consistency,
) -> Result<(Stamp, PolicyView), ApiError> {
    let (stamp, row) = find(api, id, consistency).await?;
    Ok((stamp, PolicyView::of(&row)))
}

impl PolicyView {
    fn of(row: &Row) -> Self {
        let Policy { failures, successes, stale_after, thresholds, flapping } =
            &row.resource.spec.policy;
        Self {
            generation: row.resource.identity.generation.0,
            failures: *failures,
            successes: *successes,
            stale_after: *stale_after,
            thresholds: serde_json::json!(thresholds),
            flapping: serde_json::json!(flapping),
        }
    }
}
