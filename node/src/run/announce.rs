//! Logs changes of health as they happen, so that a person who starts a node sees it work.

use std::time::Duration;

use futures_util::future::join_all;
use model::{HealthStatus, ShardId};
use raft::{Change, ChangeKind, Shards};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The most lines of one shard a second; the rest is counted.
const MOST: u32 = 20;
const PAGE: usize = 256;

/// Runs until `stop`.
pub(super) async fn transitions(shards: Shards, stop: CancellationToken) {
    let cursor = shards.cursor();
    let followed = shards.shard_ids().map(|shard| {
        let position = cursor.shards.get(&shard).copied().unwrap_or_default();
        stop.run_until_cancelled(follow(&shards, shard, position))
    });
    join_all(followed).await;
}

async fn follow(shards: &Shards, shard: ShardId, mut position: model::cursor::Position) {
    let mut applied = shards.applied(shard);
    let mut pace = Pace { second: Instant::now(), lines: 0, held_back: 0 };
    loop {
        applied.borrow_and_update();
        // Forgotten changes are old news: nobody is told of them in a log.
        let Ok(page) = shards.declarations(shard, position, PAGE) else { return };
        position = page.upto;
        for change in page.changes {
            if change.kind == ChangeKind::Transition {
                pace.announce(&change);
            }
        }
        if !page.more && applied.changed().await.is_err() {
            return;
        }
    }
}

struct Pace {
    second: Instant,
    lines: u32,
    held_back: u32,
}

impl Pace {
    fn announce(&mut self, change: &Change) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            if self.held_back > 0 {
                info!(changes = self.held_back, "more changes of health than are logged");
            }
            *self = Self { second: Instant::now(), lines: 0, held_back: 0 };
        }
        if self.lines >= MOST {
            self.held_back += 1;
            return;
        }
        self.lines += 1;
        let resource = &change.row.resource;
        let from = change.previous.unwrap_or(HealthStatus::Unknown);
        let (to, reason) = (resource.status(), resource.state.health.reason());
        let separator = if reason.is_empty() { "" } else { ": " };
        info!(shard = %change.row.shard, "{} {from} → {to}{separator}{reason}", resource.id());
    }
}
