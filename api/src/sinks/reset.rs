//! `POST /api/v1/sinks/{sink}/reset`: a person says from where on a sink is sent events.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use model::{
    ShardId,
    decode::nearest,
    delivery::{Change, ResetTo},
};
use raft::{Command, Envelope, Reply, SinkChange};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Kind, refusal},
    headers::{IdempotencyKey, Stamp, joined},
    path::NamePath,
    query::Query,
    state::ApiState,
};

/// Where a sink goes on in one shard.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SinkReset)]
pub(crate) struct SinkResetView {
    /// The shard.
    #[schema(value_type = u32)]
    shard: ShardId,
    /// Everything up to this offset counts as acknowledged; what follows is sent, or sent again.
    cursor_offset: u64,
}

/// Has a sink go on elsewhere. What it is sent again, it is sent with the same ids.
#[utoipa::path(
    post, path = "/api/v1/sinks/{sink}/reset", tag = "events", operation_id = "resetSink",
    params(
        ("sink" = String, Path, description = "Its name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
        ("to" = String, Query, description = "`oldest`: all that is kept is sent again. `latest`: \
            what it has not acknowledged is passed over. `SHARD:OFFSET`: one shard goes on with \
            this event",
            pattern = "^(oldest|latest|[0-9]{1,10}:[0-9]{1,20})$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key within 10 minutes get the first answer", pattern = "^[!-~]{1,200}$"),
    ),
    responses(
        (status = 200, description = "The shards that changed", body = [SinkResetView]),
        (status = 404, description = "There is no such sink or shard",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "A sink of this kind cannot be reset",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reset_sink(
    State(api): State<ApiState>,
    NamePath(sink): NamePath,
    key: IdempotencyKey,
    query: Query,
) -> Result<Response, ApiError> {
    let to = place(query)?;
    is_fit(&api, &sink).await?;
    is_decided(&api, to)?;
    let changes: Vec<_> = api
        .shards()
        .shard_ids()
        .filter_map(|shard| Some((shard, to.change(shard)?)))
        .map(|(shard, change)| reset(&api, &sink, shard, change, &key))
        .collect();
    if changes.is_empty() {
        let last = api.shards().shard_count().saturating_sub(1);
        let detail = format!("{to}: there is no such shard; they are 0 to {last}");
        return Err(ApiError::new(Kind::NotFound, detail));
    }
    let (done, failed): (Vec<_>, Vec<_>) =
        join_all(changes).await.into_iter().partition(Result::is_ok);
    let done: Vec<SinkResetView> = done.into_iter().filter_map(Result::ok).collect();
    let mut headers = key.header();
    headers.extend(Stamp::own(api.own_revision()).headers());
    match failed.into_iter().find_map(Result::err) {
        None => Ok((headers, Json(done)).into_response()),
        Some(error) => Err(partly(&done, error).with_headers(headers)),
    }
}

/// Where some shards have not changed: a repeat with the same key changes no other again.
fn partly(done: &[SinkResetView], error: ApiError) -> ApiError {
    if done.is_empty() {
        return error;
    }
    let changed: Vec<ShardId> = done.iter().map(|view| view.shard).collect();
    let detail = format!(
        "shards {} are reset, others are not: {}; repeat it with the Idempotency-Key of this answer, \
         which resets the others alone",
        joined(&changed),
        error.detail()
    );
    ApiError::new(error.kind(), detail)
}

fn place(mut query: Query) -> Result<ResetTo, ApiError> {
    let to = query.take("to", str::parse::<ResetTo>);
    query.finish()?;
    to.ok_or_else(|| ApiError::invalid_at("?to", "is missing: `oldest`, `latest` or SHARD:OFFSET"))
}

/// Whether there is such a sink, and a reset means anything to it.
async fn is_fit(api: &ApiState, name: &str) -> Result<(), ApiError> {
    let nodes = api.shards().survey_sinks().await.nodes;
    let sinks: Vec<_> = nodes.values().flatten().collect();
    let Some(sink) = sinks.iter().find(|sink| sink.name == name) else {
        let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
        let hint = nearest(name, &names);
        let detail = format!("no node runs a sink {name:?}{hint}; see `bellwether sinks`");
        return Err(ApiError::new(Kind::NotFound, detail));
    };
    if sink.can_be_reset {
        return Ok(());
    }
    let detail = format!(
        "a sink of kind {} goes on after what it holds itself, so that {name} cannot be reset; \
         move what it has written away instead",
        sink.kind
    );
    Err(ApiError::new(Kind::Conflict, detail))
}

/// Whether the event that is to come next is one that may: a mistyped offset passes over all.
fn is_decided(api: &ApiState, to: ResetTo) -> Result<(), ApiError> {
    let ResetTo::Next(shard, next) = to else { return Ok(()) };
    let shards = api.shards().status();
    let Some(found) = shards.iter().find(|found| found.shard == shard) else { return Ok(()) };
    let (floor, head) = (found.outbox_floor, found.outbox_head);
    if next.0 <= head.saturating_add(1) {
        return Ok(());
    }
    let detail = format!("{to}: shard {shard} has events {floor} to {head}; name one, or `latest`");
    Err(ApiError::new(Kind::Conflict, detail))
}

async fn reset(
    api: &ApiState,
    sink: &str,
    shard: ShardId,
    change: Change<String>,
    key: &IdempotencyKey,
) -> Result<SinkResetView, ApiError> {
    let change = SinkChange { sink: sink.to_owned(), from: model::Offset(0), change };
    let request = key.request("reset-sink", sink);
    let envelope = Envelope { request, command: Command::ChangeSink(change) };
    let answer = key.within(api.limits(), api.shards().propose(shard, envelope)).await?;
    match answer.reply {
        Reply::Sink(cursor) => Ok(SinkResetView { shard, cursor_offset: cursor.offset.0 }),
        Reply::Refused(found) => Err(refusal(&found, &sink)),
        _ => Err(ApiError::new(Kind::Internal, "the shard answered something else")),
    }
}
