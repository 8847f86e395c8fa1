//! `POST /-/reload`: reads the configuration again.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::decode::Problem;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Kind},
    headers::Stamp,
    query::NoQuery,
    state::ApiState,
};

/// A document of 64 MiB is staged in every shard before it is adopted.
const PATIENCE: Duration = Duration::from_secs(120);

/// The configuration was read again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reloaded {
    /// Always true.
    reloaded: bool,
}

/// Reads the configuration again. A bad one changes nothing: the old one stays in force.
#[utoipa::path(
    post, path = "/-/reload", tag = "operations", operation_id = "reload",
    responses(
        (status = 200, description = "In force", body = Reloaded),
        (status = 422, description = "Bad: `errors` says why; the old one stays in force",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reload(State(api): State<ApiState>, _: NoQuery) -> Result<Response, ApiError> {
    let outcome = timeout(PATIENCE, (api.hooks().reload)()).await;
    let outcome = outcome.map_err(|_| {
        ApiError::new(Kind::Unavailable, "the reload goes on; /api/v1/config shows where it is")
    })?;
    outcome.map_err(refused)?;
    Ok((Stamp::own(api.own_revision()), Json(Reloaded { reloaded: true })).into_response())
}

fn refused(problems: Vec<String>) -> ApiError {
    let detail = "the configuration is bad; the old one stays in force, `errors` says why";
    let problem = |detail| Problem { pointer: String::new(), detail };
    ApiError::new(Kind::Unprocessable, detail)
        .with_errors(problems.into_iter().map(problem).collect())
}
