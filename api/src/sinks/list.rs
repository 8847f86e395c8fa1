//! `GET /api/v1/sinks`: where events go, how each sink does, and how far behind it is, gathered from all nodes.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{NodeId, ShardId};
use raft::{Shards, SinkHealth, SinkState, SinkStatus, SinkSurvey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::ApiError, headers::Stamp, query::NoQuery, state::ApiState};

/// A sink.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Sink)]
pub(crate) struct SinkView {
    /// Its name.
    name: String,
    /// What it is, such as `file` or `pulsar`; null where no node that answers runs it.
    #[schema(required)]
    kind: Option<String>,
    /// How it does: `ok`, `retrying` or `broken`, the worst of the nodes that answer; null where none
    /// of them runs it.
    #[schema(required)]
    state: Option<String>,
    /// Events that it has not acknowledged, all shards together.
    lag_events: u64,
    /// Events that it acknowledged a second, over the last minute, all nodes together.
    events_per_second: f64,
    /// An error of a node where it does worst, also where it is well again.
    #[schema(required)]
    last_error: Option<String>,
    /// How it does on each node that runs it, by name, and who does not say.
    nodes: Vec<SinkNodeView>,
    /// Its progress in each shard.
    shards: Vec<SinkShardView>,
}

/// How a sink does on one node.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = SinkNode)]
pub(crate) struct SinkNodeView {
    /// The node's name.
    node: String,
    /// How it does there; null where the node does not answer.
    #[schema(required)]
    state: Option<String>,
    /// Events that it acknowledged a second to this node, over the last minute.
    events_per_second: f64,
    /// What went wrong last, or why the node does not answer.
    #[schema(required)]
    last_error: Option<String>,
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

/// Lists the sinks. A node that does not answer within a second is shown with the reason at each of them.
#[utoipa::path(
    get, path = "/api/v1/sinks", tag = "events", operation_id = "listSinks",
    responses((status = 200, description = "The sinks, by name", body = [SinkView]))
)]
pub(crate) async fn list_sinks(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let survey = api.shards().survey_sinks().await;
    let sinks = merged(survey, api.shards().sinks(), &names(api.shards()));
    Ok((Stamp::own(api.own_revision()), Json(sinks)).into_response())
}

fn names(shards: &Shards) -> BTreeMap<NodeId, String> {
    shards.nodes().into_iter().map(|(node, record)| (node, record.facts.name)).collect()
}

fn merged(
    survey: SinkSurvey,
    progress: Vec<SinkStatus>,
    names: &BTreeMap<NodeId, String>,
) -> Vec<SinkView> {
    let name = |node: NodeId| names.get(&node).cloned().unwrap_or_else(|| format!("node {node}"));
    let mut sinks: BTreeMap<String, SinkView> = BTreeMap::new();
    let mut running: BTreeMap<String, Vec<(String, SinkHealth)>> = BTreeMap::new();
    for (node, found) in survey.nodes {
        for sink in found {
            running.entry(sink.name.clone()).or_default().push((name(node), sink));
        }
    }
    for (sink, on) in running {
        let view = SinkView::running(&sink, on);
        sinks.insert(sink, view);
    }
    for SinkStatus { sink, shard, cursor, head } in progress {
        let view = sinks.entry(sink.clone()).or_insert_with(|| SinkView::new(&sink));
        view.lag_events += head.saturating_sub(cursor);
        view.shards.push(SinkShardView { shard, cursor_offset: cursor, head_offset: head });
    }
    let silent: Vec<(String, String)> =
        survey.silent.into_iter().map(|(node, why)| (name(node), why)).collect();
    sinks.into_values().map(|sink| sink.with_silent(&silent)).collect()
}

impl SinkView {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: None,
            state: None,
            lag_events: 0,
            events_per_second: 0.0,
            last_error: None,
            nodes: Vec::new(),
            shards: Vec::new(),
        }
    }

    /// As these nodes run it.
    fn running(name: &str, on: Vec<(String, SinkHealth)>) -> Self {
        let worst = on.iter().map(|(_, sink)| sink.state).max();
        let worst_of = on.iter().filter(|(_, sink)| Some(sink.state) == worst);
        Self {
            kind: on.first().map(|(_, sink)| sink.kind.clone()),
            state: worst.map(|state| shown(state).to_owned()),
            events_per_second: a_second(on.iter().map(|(_, sink)| sink.last_minute).sum()),
            last_error: worst_of.into_iter().find_map(|(_, sink)| sink.last_error.clone()),
            nodes: on.into_iter().map(|(node, sink)| SinkNodeView::of(node, sink)).collect(),
            ..Self::new(name)
        }
    }

    fn with_silent(mut self, silent: &[(String, String)]) -> Self {
        self.nodes.extend(silent.iter().map(|(node, why)| SinkNodeView {
            node: node.clone(),
            state: None,
            events_per_second: 0.0,
            last_error: Some(why.clone()),
        }));
        self.nodes.sort_by(|a, b| a.node.cmp(&b.node));
        self
    }
}

impl SinkNodeView {
    fn of(node: String, sink: SinkHealth) -> Self {
        Self {
            node,
            state: Some(shown(sink.state).to_owned()),
            events_per_second: a_second(sink.last_minute),
            last_error: sink.last_error,
        }
    }
}

const fn shown(state: SinkState) -> &'static str {
    match state {
        SinkState::Ok => "ok",
        SinkState::Retrying => "retrying",
        SinkState::Broken => "broken",
    }
}

/// Of a minute's count, to a hundredth.
fn a_second(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a minute's events are few enough")]
    let count = count as f64;
    (count / 0.6).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(state: SinkState, last_error: Option<&str>, last_minute: u64) -> Vec<SinkHealth> {
        let last_error = last_error.map(ToOwned::to_owned);
        let (name, kind) = ("pulsar".to_owned(), "pulsar".to_owned());
        vec![SinkHealth { name, kind, can_be_reset: true, state, last_error, last_minute }]
    }

    fn at(sink: &str, shard: u32, cursor: u64) -> SinkStatus {
        SinkStatus { sink: sink.to_owned(), shard: ShardId(shard), cursor, head: 10 }
    }

    fn survey() -> SinkSurvey {
        SinkSurvey {
            nodes: BTreeMap::from([
                (NodeId(1), health(SinkState::Ok, Some("was slow"), 600)),
                (NodeId(2), health(SinkState::Retrying, Some("no broker"), 3)),
            ]),
            silent: BTreeMap::from([(NodeId(3), "it is away".to_owned())]),
        }
    }

    fn progress() -> Vec<SinkStatus> {
        vec![at("old", 0, 4), at("pulsar", 0, 7), at("pulsar", 1, 10)]
    }

    fn names() -> BTreeMap<NodeId, String> {
        [1, 2, 3].map(|node| (NodeId(node), format!("n{node}"))).into()
    }

    #[test]
    fn what_nodes_say_and_how_far_a_sink_is_come_together() {
        let sinks = merged(survey(), progress(), &names());
        let [old, pulsar] = &sinks[..] else { panic!("{sinks:?}") };
        assert_eq!((old.name.as_str(), old.lag_events, &old.state), ("old", 6, &None));
        assert_eq!((pulsar.lag_events, pulsar.shards.len()), (3, 2));
        assert!((pulsar.events_per_second - 10.05).abs() < 1e-9, "{pulsar:?}");
    }

    #[test]
    fn the_worst_node_speaks_for_the_sink_and_who_is_silent_is_named() {
        let sinks = merged(survey(), progress(), &names());
        let pulsar = &sinks[1];
        assert_eq!(pulsar.state.as_deref(), Some("retrying"));
        assert_eq!(pulsar.last_error.as_deref(), Some("no broker"));
        let nodes: Vec<_> = pulsar
            .nodes
            .iter()
            .map(|on| (on.node.as_str(), on.state.as_deref(), on.last_error.as_deref()))
            .collect();
        assert_eq!(
            nodes,
            [
                ("n1", Some("ok"), Some("was slow")),
                ("n2", Some("retrying"), Some("no broker")),
                ("n3", None, Some("it is away")),
            ]
        );
    }
}
