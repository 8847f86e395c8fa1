//! `GET …/resources/{id}/events`: a resource's published events, oldest first.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header::LINK},
    response::{IntoResponse, Response},
};
use model::{ResourceId, Sequence, event::ClusterIdentity, replay::Inputs};
use raft::OutboxRecord;
use serde_json::{Value, json};

use crate::{
    error::ApiError,
    headers::Stamp,
    path::ResourcePath,
    pieces,
    query::{Query, number, truth},
    resources::{RESOURCES, not_found},
    state::ApiState,
};

const DEFAULT: u64 = 100;
const MAX: u64 = 1_000;
/// What every JSON reader can hold in a signed integer.
const MAX_SEQUENCE: u64 = i64::MAX.unsigned_abs();

/// Lists the events of a resource's present life, in CloudEvents 1.0 JSON format.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/resources/{id}/events", tag = "events",
    operation_id = "listEvents",
    params(
        ("id" = String, Path, description = "The resource's id", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("after" = Option<u64>, Query, description = "Only events with a greater sequence", minimum = 0),
        ("limit" = Option<u64>, Query, description = "The most events: 100 unless told", minimum = 1, maximum = 1000),
        ("decided_from" = Option<bool>, Query, description = "`true`: each transition's `data` has \
            `decided_from`, which is all that it was decided from but for the policy: `at` (the \
            shard's time in milliseconds), `generation`, `config_version`, `input` (its `kind` says \
            what happened) and `prior`, the state before"),
        ("consistency" = Option<String>, Query, description = "`linearizable` (the default) or `stale`", pattern = "^(linearizable|stale)$"),
    ),
    responses((status = 200, description = "CloudEvents, oldest first", body = Vec<Object>,
        headers(("Link" = String, description = "The next page, `rel=\"next\"`"))))
)]
pub(crate) async fn list_events(
    State(api): State<ApiState>,
    ResourcePath(id): ResourcePath,
    query: Query,
) -> Result<Response, ApiError> {
    let history = history(&api, &id, query).await?;
    let next = next_page(&id, &history);
    let History { stamp, events, with_inputs, .. } = history;
    let shards = api.shards().clone();
    let shown = pieces::array(events, move |piece, record| {
        serde_json::to_writer(piece, &shown(record, shards.cluster(), with_inputs))
    });
    Ok((stamp, next, shown).into_response())
}

/// A page of a resource's events.
pub(crate) struct History {
    pub(crate) stamp: Stamp,
    pub(crate) events: Vec<OutboxRecord>,
    /// Whether what each was decided from is shown.
    pub(crate) with_inputs: bool,
    limit: u64,
    /// What `after` is of the next page.
    pub(crate) next: Option<Sequence>,
}

/// The event as it was published, with its inputs where they are asked for.
pub(crate) fn shown(record: &OutboxRecord, cluster: &ClusterIdentity, with_inputs: bool) -> Value {
    let mut event = record.event.to_cloudevent(cluster);
    if let Some(from) = record.event.decided_from.as_deref().filter(|_| with_inputs) {
        // Beside what is published: no attribute of a CloudEvent may be an object.
        event["data"]["decided_from"] = json!(Inputs::of(record.at, from));
    }
    event
}

/// Answers the question that the parameters are.
pub(crate) async fn history(
    api: &ApiState,
    id: &ResourceId,
    mut query: Query,
) -> Result<History, ApiError> {
    let after = Sequence(query.take("after", number(0, MAX_SEQUENCE)).unwrap_or(0));
    let limit = query.take("limit", number(1, MAX)).unwrap_or(DEFAULT);
    let with_inputs = query.take("decided_from", truth).unwrap_or_default();
    let consistency = query.consistency();
    query.finish()?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let read = api.shards().events(id, after, most, consistency).await?;
    let stamp = Stamp::of(&read);
    let events = read.value.ok_or_else(|| not_found(id).with_headers(stamp.headers()))?;
    let full = events.len() >= most;
    let next = events.last().filter(|_| full).map(|last| last.event.sequence);
    Ok(History { stamp, events, with_inputs, limit, next })
}

fn next_page(id: &ResourceId, page: &History) -> HeaderMap {
    let (limit, more) = (page.limit, if page.with_inputs { "&decided_from=true" } else { "" });
    let link = page.next.map(|after| {
        format!("<{RESOURCES}/{id}/events?after={after}&limit={limit}{more}>; rel=\"next\"")
    });
    let value = link.map(|link| HeaderValue::from_str(&link).expect("the link is visible ASCII"));
    value.map(|value| (LINK, value)).into_iter().collect()
}
