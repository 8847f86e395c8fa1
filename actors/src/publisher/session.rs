//! One stretch of publishing: from reading what the sink holds to the first thing that fails.

use std::time::Duration;

use model::{Offset, Revision, ShardId};
use raft::{ProposeError, ReadError, SinkCursor, bug};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Publisher, SinkState,
    backoff::Backoff,
    progress::Progress,
    step::{self, Step},
};
use crate::sink::{Batch, Gap, Held, SinkError};

/// Events that are handed over at once.
const PAGE: usize = 512;
/// How long a sink may take for a batch, and to find its tail, before it counts as hung.
const APPEND: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 30 });
const TAIL: Duration = Duration::from_secs(120);

/// Why a stretch ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("{sink} has not answered for {} s; it is asked again", .waited.as_secs())]
    Hung { sink: String, waited: Duration },
    #[error("{sink} acknowledged offset {held} of {sent} that were sent; they are sent again")]
    Partly { sink: String, held: Offset, sent: Offset },
    #[error(
        "{sink} holds shard {shard} up to offset {held}, the shard itself ends at {head}: it has \
         lost acknowledged events; restore the data directory, or give the sink a fresh place"
    )]
    Ahead { sink: String, shard: ShardId, held: Offset, head: Offset },
    #[error("the outbox of shard {shard} lacks offset {offset}; restore the node's data directory")]
    Missing { shard: ShardId, offset: Offset },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error("shard {0} has no quorum, its cursor is not kept; it is tried again")]
    NoQuorum(ShardId),
    #[error("the cursor was refused: {0}")]
    Cursor(String),
}

enum Woken {
    Stop,
    Again,
}

/// See the module.
pub(super) struct Session<'a> {
    publisher: &'a Publisher,
    progress: &'a mut Progress,
    backoff: &'a mut Backoff,
    applied: watch::Receiver<Revision>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        publisher: &'a Publisher,
        progress: &'a mut Progress,
        backoff: &'a mut Backoff,
    ) -> Self {
        let applied = publisher.shards.applied(publisher.shard);
        Self { publisher, progress, backoff, applied }
    }

    /// Publishes until `stop` is cancelled or the shard is closed. What was handed over by then
    /// is waited for.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<(), Fault> {
        let mut acknowledged = match stop.run_until_cancelled(self.take_over()).await {
            Some(begun) => begun?,
            None => return Ok(()),
        };
        while !stop.is_cancelled() {
            self.applied.borrow_and_update();
            if self.progress.is_outdated(self.cursor().as_ref()) {
                acknowledged = self.take_over().await?;
            }
            let (shards, shard) = (&self.publisher.shards, self.publisher.shard);
            let page = shards.outbox(shard, acknowledged, PAGE).await?;
            let head = page.head;
            match step::next(shard, acknowledged, shards.now(), page) {
                Step::Wait => match self.wait(stop).await {
                    Woken::Again => {}
                    Woken::Stop => return Ok(()),
                },
                Step::Send(batch) => acknowledged = self.send(batch).await?,
                Step::Ahead => return Err(self.ahead(acknowledged, head)),
                Step::Missing => {
                    return Err(Fault::Missing { shard, offset: acknowledged.next() });
                }
            }
            self.commit_if_due().await;
        }
        Ok(())
    }

    /// Reads what the sink holds: that, and nothing remembered, says where to go on.
    async fn take_over(&mut self) -> Result<Offset, Fault> {
        let (shard, sink) = (self.publisher.shard, &self.publisher.sink);
        let cursor = self.cursor();
        let tail = timeout(TAIL, sink.tail(shard, cursor.as_ref())).await;
        let tail = tail.map_err(|_| self.hung(TAIL))??;
        let found = tail.is_some();
        let held = match tail {
            Some(held) => held,
            None => Held { offset: self.first_place(cursor.as_ref()).await?, ..Held::default() },
        };
        let offset = held.offset;
        self.progress.begin(cursor.as_ref(), held);
        if !found && cursor.is_none() {
            // A new sink's beginning must be known to the next leader, or it would choose again.
            self.progress.commit(&self.publisher.shards, shard, sink.name()).await?;
        }
        debug!(%shard, sink = sink.name(), %offset, "goes on publishing after this offset");
        Ok(offset)
    }

    /// Where to begin with a sink that holds nothing.
    async fn first_place(&self, cursor: Option<&SinkCursor>) -> Result<Offset, Fault> {
        let Publisher { shards, shard, from_start, .. } = self.publisher;
        let page = shards.outbox(*shard, Offset(0), 0).await?;
        Ok(match cursor {
            // It was never sent anything.
            Some(cursor) if cursor.position.is_empty() => cursor.offset,
            // It has lost everything: what is no longer kept is a gap.
            Some(_) => Offset(0),
            None if *from_start => Offset(page.floor.0.saturating_sub(1)),
            None => page.head,
        })
    }

    async fn send(&mut self, batch: Batch) -> Result<Offset, Fault> {
        let Publisher { sink, metrics, monitor, shard, .. } = self.publisher;
        let sent = batch.last().expect("a batch to be sent is not empty");
        if bug!("bug-cursor-ahead") {
            self.progress.advance(Held { offset: sent, ..Held::default() });
            self.commit_if_due().await;
        }
        let began = Instant::now();
        let answer = timeout(APPEND, sink.append(&batch)).await;
        let held = answer.map_err(|_| self.hung(APPEND))??;
        if held.offset < sent {
            return Err(Fault::Partly { sink: sink.name().to_owned(), held: held.offset, sent });
        }
        metrics.published(sink.name(), batch.events.len() as u64, began.elapsed());
        self.progress.advance(Held { offset: sent, position: held.position });
        self.backoff.reset();
        monitor.well(*shard);
        if let Some(gap) = batch.gap {
            self.mourn(gap);
        }
        Ok(sent)
    }

    /// The sink goes on, but somebody should know what it will never have.
    fn mourn(&self, gap: Gap) {
        let Publisher { sink, metrics, monitor, shard, .. } = self.publisher;
        let (sink, Gap { from, to, .. }) = (sink.name(), gap);
        metrics.lost(sink, gap.events());
        warn!(%shard, sink, %from, %to, "retention took events before the sink had them");
        let text = format!(
            "shard {shard} has no more events {from} to {to} for {sink}; a gap event stands for them"
        );
        monitor.report(*shard, SinkState::Ok, text);
    }

    /// Waits until something was applied, the cursor is due, or it is time to stop.
    async fn wait(&mut self, stop: &CancellationToken) -> Woken {
        self.backoff.reset();
        self.publisher.monitor.well(self.publisher.shard);
        let due = self.progress.due();
        let commit = async {
            match due {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => Woken::Stop,
            changed = self.applied.changed() => if changed.is_ok() { Woken::Again } else { Woken::Stop },
            () = commit => Woken::Again,
        }
    }

    /// A cursor that lags costs the next leader repeats, but holds up no events.
    async fn commit_if_due(&mut self) {
        if self.progress.due().is_none_or(|at| at > Instant::now()) {
            return;
        }
        let Publisher { shards, shard, sink, .. } = self.publisher;
        match self.progress.commit(shards, *shard, sink.name()).await {
            Ok(()) => {}
            Err(Fault::Propose(error)) => debug!(%shard, %error, "the cursor was not kept"),
            Err(fault) => warn!(%shard, %fault, "the cursor was not kept"),
        }
    }

    fn cursor(&self) -> Option<SinkCursor> {
        self.publisher.shards.sink_cursor(self.publisher.shard, self.publisher.sink.name())
    }

    fn hung(&self, waited: Duration) -> Fault {
        Fault::Hung { sink: self.publisher.sink.name().to_owned(), waited }
    }

    /// Its offsets name other events than the shard's do: no cursor may come of them.
    fn ahead(&mut self, held: Offset, head: Offset) -> Fault {
        self.progress.forget();
        let Publisher { sink, shard, .. } = self.publisher;
        Fault::Ahead { sink: sink.name().to_owned(), shard: *shard, held, head }
    }
}
