//! `PUT …/maintenance/{name}`: once it has answered 200, no later transition of a matching
//! resource is anything but MAINTENANCE.

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use model::{
    WallTime,
    decode::{Fields, Problems},
    maintenance::Maintenance,
};
use raft::{MaintenanceOutcome, MaintenanceView};
use serde_json::Value;

use super::{
    settle,
    view::{WindowRequest, WindowView},
};
use crate::{
    body::JsonBody, error::ApiError, headers::IdempotencyKey, path::WindowPath, query::NoQuery,
    state::ApiState,
};

/// Sets a maintenance window, in every shard.
#[utoipa::path(
    put, path = "/api/v1/infrastructure/maintenance/{name}", tag = "maintenance",
    operation_id = "putMaintenance", request_body = WindowRequest,
    params(
        ("name" = String, Path, description = "The window's name", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key within 10 minutes get the first answer", pattern = "^[!-~]{1,200}$"),
    ),
    responses(
        (status = 200, description = "In force in every shard", body = WindowView),
        (status = 503, description = "Recorded, but the named shards have not taken it over yet",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put_maintenance(
    State(api): State<ApiState>,
    WindowPath(name): WindowPath,
    key: IdempotencyKey,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let (found, headers) = set(&api, &name, &key, &body).await?;
    Ok((headers, Json(WindowView::of(found))).into_response())
}

/// Sets a window by a document. Returns the headers of the answer, too.
pub(crate) async fn set(
    api: &ApiState,
    name: &str,
    key: &IdempotencyKey,
    body: &Value,
) -> Result<(MaintenanceView, HeaderMap), ApiError> {
    let window = read(name, body, api.shards().now())?;
    let (outcome, headers) = settle(api, key, name, Some(window.clone())).await?;
    let MaintenanceOutcome { version, missing, .. } = outcome;
    Ok((MaintenanceView { window, version, missing }, headers))
}

fn read(name: &str, body: &Value, now: WallTime) -> Result<Maintenance, ApiError> {
    let problems = Problems::default();
    let window = Fields::new(body, "", &problems)
        .and_then(|fields| Maintenance::decode(name, fields, now, &problems));
    match window {
        Some(window) if problems.is_empty() => Ok(window),
        _ => Err(ApiError::from_problems(problems)),
    }
}
