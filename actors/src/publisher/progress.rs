//! How far a sink has acknowledged a shard, and how much of that is replicated.

use std::time::Duration;

use model::{Offset, ShardId};
use raft::{Command, Reply, Shards, SinkAdvance, SinkCursor};
use tokio::time::{Instant, timeout};

use super::session::Fault;
use crate::sink::Held;

/// A cursor is proposed at most so often (SEMANTICS 9).
const EVERY: Duration = Duration::from_secs(1);
/// A shard without a quorum does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Survives the sessions of a publisher.
#[derive(Debug, Default)]
pub(super) struct Progress {
    epoch: u64,
    held: Option<Held>,
    /// The cursor as replicated.
    committed: Option<Offset>,
    tried_at: Option<Instant>,
}

impl Progress {
    /// Begins anew with what the sink holds.
    pub(super) fn begin(&mut self, cursor: Option<&SinkCursor>, held: Held) {
        self.epoch = cursor.map_or(0, |cursor| cursor.epoch);
        self.committed = cursor.map(|cursor| cursor.offset);
        self.held = Some(held);
    }

    /// What the sink holds is not to be relied on.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    /// Everything up to here is durable at the sink.
    pub(super) fn acknowledged(&self) -> Option<Offset> {
        self.held.as_ref().map(|held| held.offset)
    }

    pub(super) fn advance(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// Whether the sink was reset since: what it holds is to be read again.
    pub(super) fn is_outdated(&self, cursor: Option<&SinkCursor>) -> bool {
        cursor.is_some_and(|cursor| cursor.epoch > self.epoch)
    }

    /// When the cursor is to be proposed; `None` where it need not be.
    pub(super) fn due(&self) -> Option<Instant> {
        let ahead = self.acknowledged() > self.committed;
        ahead.then(|| self.tried_at.map_or_else(Instant::now, |at| at + EVERY))
    }

    /// Proposes the cursor if it has moved.
    pub(super) async fn commit(
        &mut self,
        shards: &Shards,
        shard: ShardId,
        sink: &str,
    ) -> Result<(), Fault> {
        let Some(held) = self.held.clone() else { return Ok(()) };
        if Some(held.offset) <= self.committed {
            return Ok(());
        }
        self.tried_at = Some(Instant::now());
        let (sink, epoch, offset) = (sink.to_owned(), self.epoch, held.offset.0);
        let advance = SinkAdvance { sink, epoch, offset, position: held.position };
        let proposed = shards.propose(shard, Command::SinkCursor(advance));
        let answered = timeout(PATIENCE, proposed).await.map_err(|_| Fault::NoQuorum(shard))?;
        match answered?.reply {
            Reply::Refused(refusal) => Err(Fault::Cursor(format!("{refusal:?}"))),
            _ => {
                self.committed = Some(held.offset);
                Ok(())
            }
        }
    }
}
