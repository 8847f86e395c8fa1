//! The task behind one watch: reads the shards' changes and feeds them to its client.
//!
//! Invariant: `cursor` moves with what was handed to the outlet, never ahead of it.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use model::{
    Revision, ShardId,
    cursor::{Cursor, Position},
};
use raft::{Filter, ListQuery, Page, ReadError, Shards};
use tokio::{
    sync::watch::Receiver,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    frame::{self, Kind},
    outlet::{Outlet, Untaken},
    recent::{Recent, Told},
    select::told_as,
};

/// Where a watch begins.
pub(super) enum Start {
    /// After a cursor that the client has.
    Resume(Cursor),
    /// With all rows, then after the cursor.
    Snapshot(Box<Snapshot>),
}

/// The rows as they are, and where the changes to them begin.
pub(super) struct Snapshot {
    /// Taken before the rows.
    pub(super) cursor: Cursor,
    /// What asks for the rows.
    pub(super) question: ListQuery,
    /// The first of them.
    pub(super) first: Page,
}

impl Start {
    pub(super) fn cursor(&self) -> &Cursor {
        match self {
            Self::Resume(cursor) => cursor,
            Self::Snapshot(snapshot) => &snapshot.cursor,
        }
    }
}

/// One watch.
pub(super) struct Feed {
    shards: Shards,
    recent: Arc<Recent>,
    filter: Filter,
    outlet: Outlet,
    /// Everything up to here was handed to the outlet.
    cursor: Cursor,
    /// Shards whose changes could not be read when they were announced.
    behind: BTreeSet<ShardId>,
    /// Whether anything was sent since the last heartbeat.
    busy: bool,
}

/// Why a watch ends.
enum End {
    /// The client has gone.
    Gone,
    /// The client is too slow.
    Slow,
    /// The node stops.
    Stopping,
    /// The changes cannot be read any more.
    Lost(ReadError),
}

impl From<Untaken> for End {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            Untaken::Gone => Self::Gone,
            Untaken::Slow => Self::Slow,
        }
    }
}

impl Feed {
    pub(super) fn new(
        (shards, recent): (Shards, Arc<Recent>),
        filter: Filter,
        outlet: Outlet,
        cursor: Cursor,
    ) -> Self {
        Self { shards, recent, filter, outlet, cursor, behind: BTreeSet::new(), busy: false }
    }

    /// Runs until the client goes, is too slow, or the node stops.
    pub(super) async fn run(
        mut self,
        start: Start,
        heartbeat: Duration,
        shutdown: CancellationToken,
    ) {
        let end = tokio::select! {
            biased;
            () = shutdown.cancelled() => End::Stopping,
            Err(end) = self.follow(start, heartbeat) => end,
        };
        match end {
            End::Gone => {}
            End::Slow => self.outlet.cut_off(frame::overflow(
                "the client is too slow; come back with the last id that was received",
            )),
            End::Stopping => self.outlet.finish(Some(frame::place(Kind::Bookmark, &self.cursor))),
            End::Lost(error) => {
                tracing::warn!(%error, "a watch has lost its place");
                self.outlet.cut_off(frame::overflow(&error.to_string()));
            }
        }
    }

    async fn follow(&mut self, start: Start, heartbeat: Duration) -> Result<Infallible, End> {
        // Before the first reading, so that no change falls between it and the waiting.
        let mut wakes: FuturesUnordered<_> =
            self.shards.shard_ids().map(|s| wake(s, self.shards.applied(s))).collect();
        self.send(frame::hello()).await?;
        let resumed = matches!(start, Start::Resume(_));
        if let Start::Snapshot(snapshot) = start {
            self.snapshot(*snapshot).await?;
        }
        for shard in self.shards.shard_ids().collect::<Vec<_>>() {
            self.drain(shard).await?;
        }
        if resumed {
            self.send(frame::place(Kind::Bookmark, &self.cursor)).await?;
        }
        let mut beat = interval_at(Instant::now() + heartbeat, heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.outlet.gone() => return Err(End::Gone),
                woken = wakes.next() => {
                    let Some(Some((shard, applied))) = woken else { return Err(End::Stopping) };
                    wakes.push(wake(shard, applied));
                    self.drain(shard).await?;
                }
                _ = beat.tick() => self.beat().await?,
            }
        }
    }

    async fn snapshot(&mut self, snapshot: Snapshot) -> Result<(), End> {
        let Snapshot { mut question, first: mut page, .. } = snapshot;
        loop {
            for row in &page.rows {
                self.send(frame::snapshot(row)).await?;
            }
            let Some(after) = page.next else { break };
            question.after = Some(after);
            page = self.shards.list(&question).await.map_err(End::Lost)?.value;
        }
        self.send(frame::place(Kind::Synced, &self.cursor)).await
    }

    /// Tells everything of a shard that was not told yet.
    async fn drain(&mut self, shard: ShardId) -> Result<(), End> {
        loop {
            let after = self.cursor.shards.get(&shard).copied().unwrap_or_default();
            let page = match self.recent.after(&self.shards, shard, after) {
                Ok(page) => page,
                Err(ReadError::Unavailable(_)) => {
                    self.behind.insert(shard);
                    return Ok(());
                }
                Err(error) => return Err(End::Lost(error)),
            };
            for (position, told) in &page.items {
                self.tell((shard, *position), told).await?;
            }
            self.advance(shard, page.upto);
            if !page.more {
                self.behind.remove(&shard);
                return Ok(());
            }
        }
    }

    async fn tell(
        &mut self,
        (shard, position): (ShardId, Position),
        told: &Told,
    ) -> Result<(), End> {
        if let Some(kind) = told_as(&self.filter, &told.change) {
            let before = self.cursor.shards.insert(shard, position);
            let frame = frame::change(kind, &self.cursor, told.data(kind));
            // Until it is handed over, the cursor stays where it was.
            self.cursor.shards.insert(shard, before.unwrap_or_default());
            self.send(frame).await?;
        }
        self.advance(shard, position);
        Ok(())
    }

    fn advance(&mut self, shard: ShardId, position: Position) {
        let place = self.cursor.shards.entry(shard).or_default();
        *place = position.max(*place);
    }

    async fn beat(&mut self) -> Result<(), End> {
        for shard in self.behind.clone() {
            self.drain(shard).await?;
        }
        if !std::mem::take(&mut self.busy) {
            self.outlet.send(frame::place(Kind::Bookmark, &self.cursor)).await?;
        }
        Ok(self.outlet.send(frame::heartbeat()).await?)
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), End> {
        self.busy = true;
        Ok(self.outlet.send(frame).await?)
    }
}

/// Waits until a shard has applied more; `None` once it is closed.
async fn wake(
    shard: ShardId,
    mut applied: Receiver<Revision>,
) -> Option<(ShardId, Receiver<Revision>)> {
    applied.changed().await.ok()?;
    Some((shard, applied))
}
