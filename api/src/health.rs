//! Whether the node lives, has started, and is ready (SEMANTICS 16).

mod checks;
mod reload;

use axum::{
    extract::State,
    http::header::CACHE_CONTROL,
    response::{IntoResponse, Response},
};

pub(crate) use reload::*;

use crate::{
    error::{ApiError, Kind},
    headers::Stamp,
    query::Query,
    state::{ApiState, ReadinessCheck},
};

/// Whether the node may be asked now.
pub(crate) fn is_ready(api: &ApiState) -> bool {
    checks::ready(api).iter().all(|check| check.ok || !check.required)
}

/// Says whether the process answers at all.
#[utoipa::path(
    get, path = "/livez", tag = "operations", operation_id = "livez",
    params(("verbose" = Option<String>, Query, description = "Lists the checks", pattern = "^(|true|false|1|0)$")),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
pub(crate) async fn livez(state: State<ApiState>, query: Query) -> Result<Response, ApiError> {
    answer(&state, query, &checks::live())
}

/// The same as `/livez`, as Prometheus names it.
#[utoipa::path(
    get, path = "/-/healthy", tag = "operations", operation_id = "healthy",
    params(("verbose" = Option<String>, Query, description = "Lists the checks", pattern = "^(|true|false|1|0)$")),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
pub(crate) async fn healthy(state: State<ApiState>, query: Query) -> Result<Response, ApiError> {
    answer(&state, query, &checks::live())
}

/// Says whether this node may be asked: 503 while it loads, drains, or none of its shards has
/// a quorum. One lost shard is shown, not fatal.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "readyz",
    params(("verbose" = Option<String>, Query, description = "Lists the checks", pattern = "^(|true|false|1|0)$")),
    responses((status = 200, description = "It may", body = String, content_type = "text/plain"))
)]
pub(crate) async fn readyz(state: State<ApiState>, query: Query) -> Result<Response, ApiError> {
    answer(&state, query, &checks::ready(&state))
}

/// The same as `/readyz`, as Prometheus names it.
#[utoipa::path(
    get, path = "/-/ready", tag = "operations", operation_id = "ready",
    params(("verbose" = Option<String>, Query, description = "Lists the checks", pattern = "^(|true|false|1|0)$")),
    responses((status = 200, description = "It may", body = String, content_type = "text/plain"))
)]
pub(crate) async fn ready(state: State<ApiState>, query: Query) -> Result<Response, ApiError> {
    answer(&state, query, &checks::ready(&state))
}

/// Says whether the node was ready once.
#[utoipa::path(
    get, path = "/startupz", tag = "operations", operation_id = "startupz",
    params(("verbose" = Option<String>, Query, description = "Lists the checks", pattern = "^(|true|false|1|0)$")),
    responses((status = 200, description = "It was", body = String, content_type = "text/plain"))
)]
pub(crate) async fn startupz(state: State<ApiState>, query: Query) -> Result<Response, ApiError> {
    answer(&state, query, &checks::started(&state))
}

fn answer(
    state: &ApiState,
    mut query: Query,
    checks: &[ReadinessCheck],
) -> Result<Response, ApiError> {
    let read = |text: &str| match text {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected no value, `true` or `false`"),
    };
    let verbose = query.take("verbose", read).unwrap_or_default();
    query.finish()?;
    let failed = checks.iter().any(|check| check.required && !check.ok);
    if failed {
        return Err(ApiError::new(Kind::Unavailable, checks::failures(checks, verbose)));
    }
    let body = if verbose { checks::listed(checks) } else { "ok\n".to_owned() };
    let stamp = Stamp::own(state.own_revision());
    Ok((stamp, [(CACHE_CONTROL, "no-store")], body).into_response())
}
