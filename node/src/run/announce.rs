//! Logs changes of health as they happen, so that a person who starts a node sees it work.

use std::time::Duration;

use futures_util::future::join_all;
use model::{HealthStatus, Millis, ShardId, WallTime};
use raft::{Change, ChangeKind, ReadError, Shards};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The most lines of one shard a second; the rest is counted.
const MOST: u32 = 20;
const PAGE: usize = 256;
/// What is older is no news: a node that catches up learns of it late.
const NEWS: Millis = Millis::from_secs(60);

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
        let page = match shards.declarations(shard, position, PAGE) {
            Ok(page) => page,
            // Forgotten changes are old news: nobody is told of them in a log.
            Err(ReadError::Gone) => {
                position = shards.cursor().shards.get(&shard).copied().unwrap_or_default();
                match applied.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            }
            Err(_) => return,
        };
        position = page.upto;
        let news = page.changes.iter().filter(|change| change.kind == ChangeKind::Transition);
        for change in news.filter(|change| is_news(change, shards.now())) {
            pace.announce(change);
        }
        if !page.more && applied.changed().await.is_err() {
            return;
        }
    }
}

fn is_news(change: &Change, now: WallTime) -> bool {
    now.since(change.row.resource.state.health_since) < NEWS
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
