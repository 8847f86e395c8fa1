//! What the API borrows from the node that hosts it.

use std::sync::Arc;

use actors::Actors;
use api::{Hooks, Limits, ReadinessCheck};
use raft::{DiskRoom, Shards};
use tokio_util::sync::CancellationToken;

use super::{
    limits::Descriptors, memory::Memory, reload::Reloader, subscriptions, telemetry::NodeMetrics,
};

pub(super) fn hooks(
    actors: &Arc<Actors>,
    reloader: &Arc<Reloader>,
    shards: &Shards,
    metrics: &NodeMetrics,
    (memory, descriptors): (Memory, Descriptors),
    [draining, shutdown]: [CancellationToken; 2],
) -> Hooks {
    let (declaring, reloading) = (Arc::clone(reloader), Arc::clone(reloader));
    let roomy = shards.clone();
    Hooks {
        registry: metrics.registry(shards, &memory),
        declarations: Arc::new(move || declaring.declarations()),
        reload: Arc::new(move || {
            let reloader = Arc::clone(&reloading);
            Box::pin(async move { reloader.reload().await })
        }),
        subscriptions: subscriptions::hook(actors),
        readiness: Arc::new(move || {
            let disk = roomy.disk_room().map(|room| disk(&room));
            [not_stopping(&draining)].into_iter().chain(disk).collect()
        }),
        short_of_memory: Arc::new(move |expected| memory.shortage(expected)),
        shutdown,
        limits: Limits { connections: descriptors.connections, ..Limits::default() },
    }
}

fn not_stopping(stopping: &CancellationToken) -> ReadinessCheck {
    let ok = !stopping.is_cancelled();
    let detail = if ok { "running" } else { "the node is stopping" };
    let name = "running".to_owned();
    ReadinessCheck { name, ok, required: true, detail: detail.to_owned() }
}

/// A full disk is shown and makes nobody unready: this node still answers reads, and who is sent
/// elsewhere for a write is led back to this leader.
fn disk(room: &DiskRoom) -> ReadinessCheck {
    let (free, reserve) = (room.free >> 20, room.reserve >> 20);
    let (path, full) = (room.path.display(), room.full);
    let what = if full { "writes are refused" } else { "writes are taken" };
    let detail = format!("{what}: {free} MiB free at {path}, {reserve} MiB are kept free");
    ReadinessCheck { name: "disk".to_owned(), ok: !full, required: false, detail }
}
