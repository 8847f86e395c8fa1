//! Takes over the maintenance windows of `meta` that the shard lacks (SEMANTICS 18).
//!
//! Whoever sets a window proposes it to every shard at once; this is for shards that did not
//! answer then.

use std::time::Duration;

use model::ShardId;
use raft::Shards;
use tokio::time::sleep;
use tracing::warn;

const PAUSE: Duration = Duration::from_secs(1);

/// Looks when the term begins and whenever `meta` has moved.
pub(super) async fn follow(shards: Shards, shard: ShardId) {
    let mut moved = shards.meta_applied();
    loop {
        moved.borrow_and_update();
        while let Err(error) = shards.catch_up_maintenance(shard).await {
            warn!(%shard, %error, "maintenance windows are not taken over yet; trying again");
            sleep(PAUSE).await;
        }
        if moved.changed().await.is_err() {
            return;
        }
    }
}
