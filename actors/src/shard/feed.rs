//! Follows a shard's changes and tells its supervisor of declarations and removals.

use model::{ShardId, cursor::Position};
use ractor::ActorRef;
use raft::{ChangeKind, Shards};
use tokio_util::sync::CancellationToken;

use super::ShardMessage;

const PAGE: usize = 1_024;

pub(super) async fn follow(
    shards: Shards,
    shard: ShardId,
    mut position: Position,
    supervisor: ActorRef<ShardMessage>,
    stop: CancellationToken,
) {
    let mut applied = shards.applied(shard);
    loop {
        applied.borrow_and_update();
        let Ok(page) = shards.declarations(shard, position, PAGE) else {
            // Cannot happen while this node applies the shard; then the rows are the truth.
            let _ = supervisor.cast(ShardMessage::Reload);
            return;
        };
        position = page.upto;
        let mut changes = page.changes;
        changes.retain(|change| change.kind != ChangeKind::Updated);
        if !changes.is_empty() && supervisor.cast(ShardMessage::Changed(changes)).is_err() {
            return;
        }
        if page.more {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = applied.changed() => if changed.is_err() { return },
        }
    }
}
