//! `DELETE …/maintenance/{name}`: ends a window.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{not_found, settle};
use crate::{
    error::ApiError,
    headers::{IdempotencyKey, Stamp},
    path::WindowPath,
    query::NoQuery,
    state::ApiState,
};

/// Ends a maintenance window, in every shard.
#[utoipa::path(
    delete, path = "/api/v1/infrastructure/maintenance/{name}", tag = "maintenance",
    operation_id = "deleteMaintenance",
    params(
        ("name" = String, Path, description = "The window's name", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key within 10 minutes get the first answer", pattern = "^[!-~]{1,200}$"),
    ),
    responses(
        (status = 204, description = "Ended in every shard"),
        (status = 503, description = "Recorded, but the named shards have not taken it over yet",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_maintenance(
    State(api): State<ApiState>,
    WindowPath(name): WindowPath,
    key: IdempotencyKey,
    _: NoQuery,
) -> Result<Response, ApiError> {
    Ok((StatusCode::NO_CONTENT, end(&api, &name, &key).await?).into_response())
}

/// Ends a window. Returns the headers of the answer.
pub(crate) async fn end(
    api: &ApiState,
    name: &str,
    key: &IdempotencyKey,
) -> Result<HeaderMap, ApiError> {
    // A repeat under the caller's key goes through although the window is gone by then: the
    // first try may have left shards behind.
    if !key.is_chosen() {
        let read = api.shards().maintenance().await?;
        if !read.value.iter().any(|view| view.window.name == name) {
            return Err(not_found(name).with_headers(Stamp::of(&read).headers()));
        }
    }
    let (_, headers) = settle(api, key, name, None).await?;
    Ok(headers)
}
