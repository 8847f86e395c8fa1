//! One watch: reads the shards' changes when its client has taken what went before.
//!
//! Invariant: `cursor` covers what was handed over and what stands in `out`, and nothing else.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
};
use model::{
    Revision, ShardId,
    cursor::{Cursor, Position},
};
use raft::{Filter, ReadError, Shards};
use tokio::{
    sync::{OwnedSemaphorePermit, watch::Receiver},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    recent::{Recent, Told},
    select::{Kind, told_as},
    start::{Snapshot, Start},
    wire::{End, Wire},
};

/// What is handed over at once, at least where there is as much.
const CHUNK: usize = 32 * 1024;
/// What a client may leave untaken for longer than the patience.
const MOST: usize = 256 * 1024;

/// What a watch needs of its node.
pub(super) struct Around {
    pub(super) shards: Shards,
    pub(super) recent: Arc<Recent>,
    pub(super) heartbeat: Duration,
    /// How long a client may leave more than it may untaken.
    pub(super) patience: Duration,
    pub(super) shutdown: CancellationToken,
}

/// One watch.
pub(super) struct Feed<W> {
    around: Around,
    filter: Filter,
    cursor: Cursor,
    /// What was not handed over yet.
    out: W,
    /// The rows that come first, until they were told.
    snapshot: Option<Box<Snapshot>>,
    /// Whether a bookmark says when the changes up to the begin were told.
    resumed: bool,
    wakes: FuturesUnordered<BoxFuture<'static, Option<Moved>>>,
    /// Shards that have more to tell, each once, in the order in which they said so.
    moved: VecDeque<ShardId>,
    /// Shards whose changes could not be read when they were announced.
    behind: BTreeSet<ShardId>,
    beat: Interval,
    /// Whether anything was said since the last heartbeat.
    busy: bool,
    /// When something was handed over last.
    handed: Instant,
}

/// A shard that has applied more, and what tells of the next time.
type Moved = (ShardId, Receiver<Revision>);

/// What a watch tells, each time as much as there is. Dropping it ends the watch, and gives back the
/// permit.
pub(super) fn told<W: Wire>(
    feed: Feed<W>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = W::Chunk> + Send {
    stream::unfold(Some((feed, permit)), |watch| async move {
        let (mut feed, permit) = watch?;
        let (chunk, ended) = match feed.next().await {
            Ok(chunk) => (chunk, false),
            Err(end) => (feed.last_words(&end), true),
        };
        feed.handed = Instant::now();
        Some((chunk, (!ended).then_some((feed, permit))))
    })
}

impl<W: Wire> Feed<W> {
    pub(super) fn new(around: Around, filter: Filter, start: Start) -> Self {
        let (cursor, snapshot) = match start {
            Start::Resume(cursor) => (cursor, None),
            Start::Snapshot(snapshot) => (snapshot.cursor.clone(), Some(snapshot)),
        };
        let shards = &around.shards;
        // Before the first reading, so that no change falls between it and the waiting.
        let wakes = shards.shard_ids().map(|s| wake(s, shards.applied(s)).boxed()).collect();
        let mut beat = interval_at(Instant::now() + around.heartbeat, around.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            resumed: snapshot.is_none(),
            moved: shards.shard_ids().collect(),
            out: W::begin(),
            behind: BTreeSet::new(),
            busy: true,
            handed: Instant::now(),
            around,
            filter,
            cursor,
            snapshot,
            wakes,
            beat,
        }
    }

    /// What is told next, once there is anything.
    async fn next(&mut self) -> Result<W::Chunk, End> {
        let shutdown = self.around.shutdown.clone();
        // Rows of a snapshot are not what a client has left untaken.
        let late = self.snapshot.is_none() && self.handed.elapsed() > self.around.patience;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(End::Stopping),
            gathered = self.gather(late) => gathered?,
        }
        Ok(self.out.take())
    }

    fn last_words(&mut self, end: &End) -> W::Chunk {
        if let End::Lost(error) = end {
            tracing::warn!(%error, "a watch has lost its place");
        }
        // Where rows are still to come there is no place to come back to.
        let place = self.snapshot.is_none().then_some(&self.cursor);
        self.out.end(end, place)
    }

    /// Gathers until there is a chunk, or something and nothing more. For a client that comes
    /// late, all that there is, unless that is too much.
    async fn gather(&mut self, late: bool) -> Result<(), End> {
        self.tell_rows(CHUNK).await?;
        if self.out.bytes() >= CHUNK {
            return Ok(());
        }
        if late && !self.catch_up(MOST).await? {
            return Err(End::Slow);
        }
        loop {
            let level = self.catch_up(CHUNK).await?;
            if level && std::mem::take(&mut self.resumed) {
                self.say(|out, cursor| out.place(Kind::Bookmark, cursor));
            }
            if self.out.bytes() > 0 {
                return Ok(());
            }
            self.wait().await?;
        }
    }

    /// Tells what the shards have until it is `enough`. Says whether that was all.
    async fn catch_up(&mut self, enough: usize) -> Result<bool, End> {
        self.take_in_ready()?;
        while let Some(shard) = self.moved.pop_front() {
            let more = self.drain(shard)?;
            if self.out.bytes() >= enough {
                return Ok(false);
            }
            if more {
                // A filter may drop page after page.
                tokio::task::yield_now().await;
            }
        }
        Ok(true)
    }

    /// Waits until there may be something to say.
    async fn wait(&mut self) -> Result<(), End> {
        tokio::select! {
            woken = self.wakes.next() => self.take_in(woken.flatten())?,
            _ = self.beat.tick() => {
                std::mem::take(&mut self.behind).into_iter().for_each(|shard| self.queue(shard));
                if !std::mem::take(&mut self.busy) {
                    self.out.place(Kind::Bookmark, &self.cursor);
                }
                self.out.alive();
            }
        }
        Ok(())
    }

    /// One that waits for its turn already is read up to where it is then.
    fn queue(&mut self, shard: ShardId) {
        if !self.moved.contains(&shard) {
            self.moved.push_back(shard);
        }
    }

    /// Takes in all who have moved already.
    fn take_in_ready(&mut self) -> Result<(), End> {
        while let Some(Some(woken)) = self.wakes.next().now_or_never() {
            self.take_in(woken)?;
        }
        Ok(())
    }

    fn take_in(&mut self, woken: Option<Moved>) -> Result<(), End> {
        let (shard, applied) = woken.ok_or(End::Stopping)?;
        self.wakes.push(wake(shard, applied).boxed());
        self.queue(shard);
        Ok(())
    }

    /// Tells rows of the snapshot, and after the last that there are no more.
    async fn tell_rows(&mut self, enough: usize) -> Result<(), End> {
        while self.out.bytes() < enough {
            let Some(snapshot) = &mut self.snapshot else { return Ok(()) };
            if let Some(row) = snapshot.rows.pop_front() {
                self.say(|out, _| out.row(&row));
            } else if snapshot.question.after.is_some() {
                let next = self.around.shards.list(&snapshot.question).await;
                snapshot.turn_to(next.map_err(End::Lost)?.value);
            } else {
                self.snapshot = None;
                self.say(|out, cursor| out.place(Kind::Synced, cursor));
            }
        }
        Ok(())
    }

    /// Tells a page of a shard's changes that were not told yet. Says whether there are more.
    fn drain(&mut self, shard: ShardId) -> Result<bool, End> {
        let after = self.cursor.shards.get(&shard).copied().unwrap_or_default();
        let page = match self.around.recent.after(&self.around.shards, shard, after) {
            Ok(page) => page,
            Err(ReadError::Unavailable(_)) => {
                self.behind.insert(shard);
                return Ok(false);
            }
            Err(error) => return Err(End::Lost(error)),
        };
        for (position, told) in &page.items {
            self.advance(shard, *position);
            self.tell(told);
            if self.out.bytes() >= MOST {
                self.moved.push_front(shard);
                return Ok(true);
            }
        }
        self.advance(shard, page.upto);
        self.behind.remove(&shard);
        if page.more {
            // After the others, which have waited.
            self.queue(shard);
        }
        Ok(page.more)
    }

    fn tell(&mut self, told: &Told) {
        if let Some(kind) = told_as(&self.filter, &told.change) {
            self.say(|out, cursor| out.change(kind, cursor, told));
        }
    }

    fn advance(&mut self, shard: ShardId, position: Position) {
        let place = self.cursor.shards.entry(shard).or_default();
        *place = position.max(*place);
    }

    fn say(&mut self, write: impl FnOnce(&mut W, &Cursor)) {
        self.busy = true;
        write(&mut self.out, &self.cursor);
    }
}

/// Waits until a shard has applied more; `None` once it is closed.
async fn wake(shard: ShardId, mut applied: Receiver<Revision>) -> Option<Moved> {
    applied.changed().await.ok()?;
    Some((shard, applied))
}
