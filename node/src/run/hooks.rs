//! What the API borrows from the node that hosts it.

use std::sync::Arc;

use actors::{Actors, publisher::SinkState};
use api::{Hooks, Limits, ReadinessCheck, SinkHealth};
use raft::Shards;
use tokio_util::sync::CancellationToken;

use super::{reload::Reloader, telemetry::NodeMetrics};

pub(super) fn hooks(
    actors: &Arc<Actors>,
    reloader: &Arc<Reloader>,
    shards: &Shards,
    metrics: &NodeMetrics,
    [draining, shutdown]: [CancellationToken; 2],
) -> Hooks {
    let (declaring, reloading) = (Arc::clone(reloader), Arc::clone(reloader));
    let sinks = actors.sink_health_source();
    Hooks {
        registry: metrics.registry(shards),
        declarations: Arc::new(move || declaring.declarations()),
        reload: Arc::new(move || {
            let reloader = Arc::clone(&reloading);
            Box::pin(async move { reloader.reload().await })
        }),
        sinks: Arc::new(move || sinks().into_iter().map(health).collect()),
        readiness: Arc::new(move || vec![not_stopping(&draining)]),
        shutdown,
        limits: Limits::default(),
    }
}

fn health(sink: actors::publisher::SinkHealth) -> SinkHealth {
    let state = match sink.state {
        SinkState::Ok => "ok",
        SinkState::Retrying => "retrying",
        SinkState::Broken => "broken",
    };
    SinkHealth {
        name: sink.name,
        kind: sink.kind.to_owned(),
        state: state.to_owned(),
        last_error: sink.last_error,
    }
}

fn not_stopping(stopping: &CancellationToken) -> ReadinessCheck {
    let ok = !stopping.is_cancelled();
    let detail = if ok { "running" } else { "the node is stopping" };
    let name = "running".to_owned();
    ReadinessCheck { name, ok, required: true, detail: detail.to_owned() }
}
