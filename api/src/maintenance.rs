//! Maintenance windows: set, shown and ended (SEMANTICS 18).

mod end;
mod set;
mod show;
mod view;

pub(crate) use end::*;
pub(crate) use set::*;
pub(crate) use show::*;

use axum::http::HeaderMap;
use model::{ShardId, maintenance::Maintenance};
use raft::MaintenanceOutcome;

use crate::{
    error::{ApiError, Kind, refusal},
    headers::{IdempotencyKey, Stamp, joined},
    state::ApiState,
};

/// Sets or deletes a window in every shard: how far that came, and the headers of the answer.
async fn settle(
    api: &ApiState,
    key: &IdempotencyKey,
    name: &str,
    window: Option<Maintenance>,
) -> Result<(MaintenanceOutcome, HeaderMap), ApiError> {
    let request = key.request(if window.is_some() { "window" } else { "no-window" }, name);
    let write = api.shards().set_maintenance(name, window, request);
    let outcome = key.within(api.limits(), write).await?;
    let mut headers = key.header();
    headers.extend(Stamp::committed(api.own_revision()).headers());
    match outcome {
        Ok(outcome) if outcome.missing.is_empty() => Ok((outcome, headers)),
        Ok(outcome) => Err(not_everywhere(name, &outcome.missing).with_headers(headers)),
        Err(found) => Err(refusal(&found, &name).with_headers(headers)),
    }
}

fn not_everywhere(name: &str, missing: &[ShardId]) -> ApiError {
    let detail = format!(
        "{name} is recorded, but shards {} have not taken it over yet; they will, and it is safe \
         to repeat the request",
        joined(missing)
    );
    ApiError::new(Kind::Unavailable, detail)
}

fn not_found(name: &str) -> ApiError {
    ApiError::new(Kind::NotFound, format!("there is no maintenance window {name}"))
}
