//! One session: from opening a connection to the first thing that fails.

use std::{collections::VecDeque, future::pending, time::Duration};

use model::{Offset, Revision, WallTime};
use raft::bug;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Publisher, SinkState,
    backoff::Backoff,
    fault::Fault,
    progress::{Progress, is_usual},
    step::{self, Step},
    takeover::Begun,
};
use crate::sink::{Batch, Connection, Gap, Held, SinkError};

/// Events that are handed over at once, and those that may wait for receipts.
const PAGE: usize = 512;
const MOST: u64 = 4 * PAGE as u64;
/// How long a sink may give no receipt for what was sent, before it counts as hung.
const RECEIPT: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 30 });

/// Who lasts so long although there is nothing to send works.
const PROVEN: Duration = Duration::from_secs(5);

/// What was sent, and waits for its receipt.
struct Sent {
    last: Offset,
    events: u64,
    gap: Option<Gap>,
    /// When the oldest event was decided.
    oldest: Option<WallTime>,
    at: Instant,
}

enum Woken {
    Stop,
    Again,
    Closed,
    Receipt(Result<Held, SinkError>),
    Told(Result<(), Fault>),
    Due,
    Hung,
}

/// See the module.
pub(super) struct Session<'a> {
    publisher: &'a Publisher,
    progress: &'a mut Progress,
    backoff: &'a mut Backoff,
    connection: Box<dyn Connection + 'a>,
    applied: watch::Receiver<Revision>,
    /// Everything up to here was sent.
    sent: Offset,
    flight: VecDeque<Sent>,
    began: Instant,
    /// When a receipt came last, or the first was begun to be waited for.
    moved: Instant,
}

impl<'a> Session<'a> {
    /// Takes over, and publishes until `stop` is cancelled or the shard is closed. What was sent by
    /// then is waited for.
    pub(super) async fn run(
        publisher: &'a Publisher,
        progress: &'a mut Progress,
        backoff: &'a mut Backoff,
        stop: &CancellationToken,
    ) -> Result<(), Fault> {
        let applied = publisher.shards.applied(publisher.shard);
        let Some(begun) = stop.run_until_cancelled(publisher.take_over()).await else {
            return Ok(());
        };
        let Begun { connection, cursor, held } = begun?;
        let (sent, flight, began) = (held.offset, VecDeque::new(), Instant::now());
        progress.begin(&cursor, held);
        let moved = began;
        let session =
            Self { publisher, progress, backoff, connection, applied, sent, flight, began, moved };
        session.publish(stop).await
    }

    async fn publish(mut self, stop: &CancellationToken) -> Result<(), Fault> {
        loop {
            self.applied.borrow_and_update();
            if self.progress.is_over(self.publisher.target().cursor().as_ref()) {
                return Err(Fault::Outdated { shard: self.publisher.shard });
            }
            if stop.is_cancelled() {
                if self.flight.is_empty() {
                    return Ok(());
                }
            } else if self.has_room() && self.send_more().await? {
                continue;
            }
            match self.wait(stop).await {
                Woken::Stop | Woken::Again => {}
                Woken::Closed => return Ok(()),
                Woken::Receipt(held) => self.received(held?)?,
                Woken::Told(outcome) => self.told(outcome)?,
                Woken::Due => self.progress.propose(self.publisher.target()),
                Woken::Hung => return Err(self.hung()),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.flight.iter().map(|sent| sent.events).sum::<u64>() < MOST
    }

    /// Sends what comes next. Returns whether there was anything.
    async fn send_more(&mut self) -> Result<bool, Fault> {
        let Publisher { shards, shard, .. } = self.publisher;
        let page = shards.outbox(*shard, self.sent, PAGE).await?;
        let head = page.head;
        match step::next(*shard, self.sent, shards.now(), page) {
            Step::Wait => Ok(false),
            Step::Send(batch) => self.send(batch).await.map(|()| true),
            Step::Ahead => Err(self.ahead(head)),
            Step::Missing => Err(Fault::Missing { shard: *shard, offset: self.sent.next() }),
        }
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        let last = batch.last().expect("a batch to be sent is not empty");
        if bug!("bug-cursor-ahead") {
            self.progress.advance(Held { offset: last, position: None });
            self.progress.propose(self.publisher.target());
        }
        let at = Instant::now();
        let sent = timeout(RECEIPT, self.connection.send(&batch)).await;
        sent.map_err(|_| self.hung())??;
        if self.flight.is_empty() {
            self.moved = at;
        }
        let (events, gap) = (batch.events.len() as u64, batch.gap);
        let oldest = batch.events.first().map(|event| event.time);
        self.flight.push_back(Sent { last, events, gap, oldest, at });
        self.sent = last;
        Ok(())
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, stop: &CancellationToken) -> Woken {
        let (stopping, in_flight) = (stop.is_cancelled(), !self.flight.is_empty());
        if !in_flight {
            if self.began.elapsed() > PROVEN {
                self.backoff.reset();
            }
            self.publisher.monitor.well(self.publisher.shard);
        }
        let (due, hung) = (self.progress.due(), in_flight.then(|| self.moved + RECEIPT));
        let Self { connection, progress, applied, .. } = self;
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => Woken::Stop,
            told = progress.landed() => Woken::Told(told),
            () = at(due) => Woken::Due,
            // A receipt that is there is read before its sink counts as hung.
            held = connection.receipt() => Woken::Receipt(held),
            changed = applied.changed(), if !stopping => match changed {
                Ok(()) => Woken::Again,
                Err(_) => Woken::Closed,
            },
            () = at(hung) => Woken::Hung,
        }
    }

    fn received(&mut self, held: Held) -> Result<(), Fault> {
        let Publisher { shards, sink, metrics, monitor, shard, .. } = self.publisher;
        if held.offset > self.sent {
            let (sink, sent) = (sink.name().to_owned(), self.sent);
            return Err(Fault::NeverSent { sink, shard: *shard, held: held.offset, sent });
        }
        while self.flight.front().is_some_and(|sent| sent.last <= held.offset) {
            let Some(sent) = self.flight.pop_front() else { break };
            metrics.published(sink.name(), sent.events, sent.at.elapsed());
            monitor.acknowledged(sent.events);
            if let Some(oldest) = sent.oldest {
                metrics.lag(sink.name(), since(oldest, shards.now()));
            }
            if let Some(gap) = sent.gap {
                self.mourn(gap);
            }
        }
        self.progress.advance(held);
        self.moved = Instant::now();
        self.backoff.reset();
        monitor.well(*shard);
        Ok(())
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
        monitor.report(*shard, SinkState::Ok, &text);
    }

    /// A cursor that lags costs the next leader repeats, but holds up no events.
    fn told(&self, outcome: Result<(), Fault>) -> Result<(), Fault> {
        let shard = self.publisher.shard;
        match outcome {
            Err(fault @ Fault::Outdated { .. }) => return Err(fault),
            Err(fault) if is_usual(&fault) => debug!(%shard, %fault, "the cursor was not kept"),
            Err(fault) => warn!(%shard, %fault, "the cursor was not kept"),
            Ok(()) => {}
        }
        Ok(())
    }

    fn hung(&self) -> Fault {
        Fault::Hung { sink: self.publisher.sink.name().to_owned(), waited: RECEIPT }
    }

    /// Its offsets name other events than the shard's do: no cursor may come of them.
    fn ahead(&mut self, head: Offset) -> Fault {
        self.progress.forget();
        let Publisher { sink, shard, .. } = self.publisher;
        Fault::Ahead { sink: sink.name().to_owned(), shard: *shard, held: self.sent, head }
    }
}

/// Clocks may be set back, and leaders' differ.
fn since(moment: WallTime, now: WallTime) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(moment.0)).unwrap_or(0))
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
