//! `GET …/watch`: what changes, as server-sent events (WHATWG HTML section 9.2).
//!
//! Invariant: the id of an event is the cursor of everything that was sent up to it, so that
//! a watch that resumes from any id misses nothing and repeats nothing (SEMANTICS 13).

mod feed;
mod frame;
mod recent;
mod select;
mod start;
mod wire;

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt};
use model::cursor::{Cursor, InvalidCursor};
use raft::Filter;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    error::{ApiError, Kind},
    headers::{LAST_EVENT_ID, Stamp},
    query::{FilterParams, Query, filter},
    state::ApiState,
};
use feed::{Around, Feed};
use frame::Frames;
pub(crate) use recent::{Recent, Told};
pub(crate) use select::Kind as WatchKind;
use start::Start;
pub(crate) use wire::{End, TOO_SLOW, Wire};

const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Watches resources. Without a cursor: `snapshot` rows, `synced`, then changes.
///
/// Events: `snapshot`, `synced`, `declared`, `updated`, `transition`, `removed` (also of a row
/// that leaves the filters), `bookmark`, and `overflow` for a client that is too slow. `id` is
/// the cursor; `Last-Event-ID` resumes and wins over `cursor`.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/watch", tag = "events", operation_id = "watchResources",
    params(
        ("cursor" = Option<String>, Query, description = "Where to begin: from a list's `Bellwether-Cursor` or an event's id", format = "bellwether-cursor"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received", format = "bellwether-cursor"),
        FilterParams,
    ),
    responses(
        (status = 200, description = "Server-sent events",
            body = frame::WatchEvent, content_type = "text/event-stream"),
        (status = 410, description = "The cursor is too old or of another cluster: start without one",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn watch_resources(
    State(api): State<ApiState>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, ApiError> {
    let cursor = query.take("cursor", str::parse::<Cursor>);
    let filter = filter(&mut query);
    query.finish()?;
    let cursor = last_event_id(&headers)?.or(cursor);
    let frames = begin::<Frames>(&api, cursor, filter).await?.map(Ok::<_, Infallible>);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    let stamp = Stamp::own(api.own_revision());
    Ok((stamp, headers, Body::from_stream(frames)).into_response())
}

/// Begins a watch, while an error can still be an answer of its own.
pub(crate) async fn begin<W: Wire>(
    api: &ApiState,
    cursor: Option<Cursor>,
    filter: Filter,
) -> Result<impl Stream<Item = W::Chunk> + Send + use<W>, ApiError> {
    let permit = admit(api)?;
    let start = Start::find(api.shards(), cursor, &filter, api.limits().list_default).await?;
    let around = Around {
        shards: api.shards().clone(),
        recent: Arc::clone(api.recent()),
        heartbeat: api.limits().heartbeat,
        patience: api.limits().watch_patience,
        // Of its own: all watches ask with every message.
        shutdown: api.shutdown().child_token(),
    };
    Ok(feed::told(Feed::<W>::new(around, filter, start), permit))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let cursor = value.to_str().map_err(|_| InvalidCursor).and_then(str::parse);
    cursor.map(Some).map_err(|e| ApiError::invalid_at("Last-Event-ID", e.to_string()))
}

fn admit(api: &ApiState) -> Result<OwnedSemaphorePermit, ApiError> {
    if api.shutdown().is_cancelled() {
        return Err(ApiError::new(Kind::Unavailable, "the node is stopping; ask another"));
    }
    api.watches().clone().try_acquire_owned().map_err(|_| {
        let most = api.limits().watches;
        ApiError::new(
            Kind::TooMany,
            format!("{most} watches are open; close one, or ask another node"),
        )
    })
}
