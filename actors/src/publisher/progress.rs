//! How far a sink has acknowledged a shard, and how much of that is replicated.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, pending};
use model::{Offset, ShardId, delivery::Change};
use raft::{Command, ProposeError, Refusal, Reply, Shards, SinkChange, SinkCursor};
use tokio::time::{Instant, timeout};

use super::fault::Fault;
use crate::sink::Held;

/// A cursor is proposed at most so often (SEMANTICS 9).
const EVERY: Duration = Duration::from_secs(1);
/// A shard without a quorum does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which cursor it is about.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) shards: Shards,
    pub(super) shard: ShardId,
    pub(super) sink: String,
}

/// How far the cursor is after a proposal.
type Proposal = BoxFuture<'static, Result<Offset, Fault>>;

/// That of one session. The last one's is left when publishing ends.
#[derive(Default)]
pub(super) struct Progress {
    session: u64,
    held: Option<Held>,
    /// The cursor as replicated.
    told: Option<Offset>,
    tried_at: Option<Instant>,
    /// There is one at a time: two could land in any order.
    proposal: Option<Proposal>,
}

impl Target {
    pub(super) fn cursor(&self) -> Option<SinkCursor> {
        self.shards.sink_cursor(self.shard, &self.sink)
    }

    /// Changes the cursor. A sink that has none begins after `from`.
    pub(super) async fn change(
        self,
        from: Offset,
        change: Change<String>,
    ) -> Result<SinkCursor, Fault> {
        let Self { shards, shard, sink } = self;
        let command = Command::ChangeSink(SinkChange { sink, from, change });
        let answered = timeout(PATIENCE, shards.propose(shard, command)).await;
        match answered.map_err(|_| Fault::NoQuorum(shard))??.reply {
            Reply::Sink(cursor) => Ok(cursor),
            Reply::Refused(Refusal::SinkOutdated(_)) => Err(Fault::Outdated { shard }),
            other => Err(Fault::Cursor(format!("{other:?}"))),
        }
    }
}

impl Progress {
    /// A session begins, with the cursor as it was given it and what the sink holds.
    pub(super) fn begin(&mut self, cursor: &SinkCursor, held: Held) {
        let (session, told) = (cursor.session, Some(cursor.offset));
        *self = Self { session, held: Some(held), told, ..Self::default() };
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

    /// Whether another session has begun since, or the sink was reset.
    pub(super) fn is_over(&self, cursor: Option<&SinkCursor>) -> bool {
        cursor.is_some_and(|cursor| cursor.session > self.session)
    }

    fn is_ahead(&self) -> bool {
        self.acknowledged() > self.told
    }

    /// When the cursor is to be proposed; `None` where it need not be.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.is_ahead() && self.proposal.is_none();
        due.then(|| self.tried_at.map_or_else(Instant::now, |at| at + EVERY))
    }

    /// Proposes the cursor, if it has moved and is not being proposed.
    pub(super) fn propose(&mut self, target: Target) {
        let Some(Held { offset, position }) = self.held.clone() else { return };
        if self.proposal.is_some() || !self.is_ahead() {
            return;
        }
        self.tried_at = Some(Instant::now());
        let change = Change::Tell { session: self.session, offset, position };
        let told = async move { Ok(target.change(Offset(0), change).await?.offset) };
        self.proposal = Some(told.boxed());
    }

    /// Returns once what was proposed has landed. May be dropped, and then asked again.
    pub(super) async fn landed(&mut self) -> Result<(), Fault> {
        let Some(proposal) = &mut self.proposal else { return pending().await };
        let outcome = proposal.await;
        self.proposal = None;
        self.told = Some(outcome?);
        Ok(())
    }

    /// Replicates how far the sink is.
    pub(super) async fn commit(&mut self, target: &Target) -> Result<(), Fault> {
        if self.proposal.is_some() {
            self.landed().await?;
        }
        self.propose(target.clone());
        if self.proposal.is_some() { self.landed().await } else { Ok(()) }
    }
}

/// What is expected where a leader is replaced or has no quorum.
pub(super) fn is_usual(fault: &Fault) -> bool {
    matches!(fault, Fault::Propose(ProposeError::NotLeader { .. } | ProposeError::Unknown(_)))
}
