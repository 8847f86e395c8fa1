//! `GET /api/v1/sinks`: where events go, and how far behind each sink is.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::ShardId;
use raft::SinkStatus;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    headers::Stamp,
    query::NoQuery,
    state::{ApiState, SinkHealth},
};

/// A sink.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Sink)]
pub(crate) struct SinkView {
    /// Its name.
    name: String,
    /// What it is, such as `file` or `pulsar`; null where this node does not run it.
    #[schema(required)]
    kind: Option<String>,
    /// What it does; null where this node does not run it.
    #[schema(required)]
    state: Option<String>,
    /// Events that it has not acknowledged, all shards together.
    lag_events: u64,
    /// What went wrong last.
    #[schema(required)]
    last_error: Option<String>,
    /// Its progress in each shard.
    shards: Vec<SinkShardView>,
}

/// A sink's progress in one shard.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SinkShard)]
pub(crate) struct SinkShardView {
    /// The shard.
    #[schema(value_type = u32)]
    shard: ShardId,
    /// Everything up to this offset is acknowledged.
    cursor_offset: u64,
    /// The last offset that was written.
    head_offset: u64,
}

/// Lists the sinks.
#[utoipa::path(
    get, path = "/api/v1/sinks", tag = "events", operation_id = "listSinks",
    responses((status = 200, description = "The sinks, by name", body = [SinkView]))
)]
pub(crate) async fn list_sinks(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let sinks = merged((api.hooks().sinks)(), api.shards().sinks());
    Ok((Stamp::own(api.own_revision()), Json(sinks)).into_response())
}

fn merged(running: Vec<SinkHealth>, progress: Vec<SinkStatus>) -> Vec<SinkView> {
    let mut sinks: BTreeMap<String, SinkView> = BTreeMap::new();
    for sink in running {
        let view = sinks.entry(sink.name.clone()).or_insert_with(|| SinkView::new(&sink.name));
        view.kind = Some(sink.kind);
        view.state = Some(sink.state);
        view.last_error = sink.last_error;
    }
    for SinkStatus { sink, shard, cursor, head } in progress {
        let view = sinks.entry(sink.clone()).or_insert_with(|| SinkView::new(&sink));
        view.lag_events += head.saturating_sub(cursor);
        view.shards.push(SinkShardView { shard, cursor_offset: cursor, head_offset: head });
    }
    sinks.into_values().collect()
}

impl SinkView {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: None,
            state: None,
            lag_events: 0,
            last_error: None,
            shards: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sink_says_and_how_far_it_is_come_together() {
        let running = SinkHealth {
            name: "file".to_owned(),
            kind: "file".to_owned(),
            can_be_reset: false,
            state: "publishing".to_owned(),
            last_error: None,
        };
        let at = |sink: &str, shard, cursor| SinkStatus {
            sink: sink.to_owned(),
            shard: ShardId(shard),
            cursor,
            head: 10,
        };
        let sinks =
            merged(vec![running], vec![at("file", 0, 7), at("file", 1, 10), at("old", 0, 4)]);
        assert_eq!(sinks.len(), 2);
        assert_eq!((sinks[0].lag_events, sinks[0].shards.len()), (3, 2));
        assert_eq!(sinks[0].state.as_deref(), Some("publishing"));
        assert_eq!((sinks[1].name.as_str(), sinks[1].lag_events), ("old", 6));
        assert_eq!(sinks[1].state, None);
    }
}
