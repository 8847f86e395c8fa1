//! Publishers on a real shard, with sinks that misbehave.

mod failing;
mod restarts;
mod retention;
mod steps;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, join_all, pending, ready};
use model::{
    Offset, Owner, ShardId, WallTime,
    decode::Problems,
    spec::{Defaults, Origin, SpecDecoder},
};
use parking_lot::Mutex;
use raft::{Clock, Options, Precondition, Registration, Shards, SinkCursor, SinkHealth};
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::sink::{Batch, Connection, Held, Reach, SinkError};

/// Long enough for anything on one host.
const PATIENCE: Duration = Duration::from_secs(20);
const SHARD: ShardId = ShardId(0);

async fn one_shard() -> Shards {
    Shards::open(Options::in_memory("home", 1)).await.unwrap()
}

/// Declares resources: one event each.
async fn declare(shards: &Shards, numbers: std::ops::Range<u64>) {
    let all = numbers.map(|n| async move {
        shards.declare(registration(n), None).await.unwrap();
    });
    join_all(all).await;
}

fn registration(number: u64) -> Registration {
    let declaration = json!({
        "type": "ENDPOINT", "name": format!("r{number}"), "check": {"push": {"ttl": "1h"}},
    });
    let decoder = SpecDecoder {
        defaults: &Defaults::default(),
        origin: Origin::Config,
        node: "n1",
        region: None,
        secrets: &std::collections::BTreeSet::new(),
    };
    let spec = decoder.decode(&declaration, "", None, &Problems::default()).unwrap();
    Registration { spec, owner: Owner::Config, precondition: Precondition::None }
}

async fn head(shards: &Shards) -> u64 {
    shards.outbox(SHARD, Offset(0), 0).await.unwrap().head.0
}

/// Returns once the sink's cursor is at the outbox's head.
async fn caught_up(shards: &Shards, sink: &str) {
    let mut applied = shards.applied(SHARD);
    let reached = async {
        loop {
            applied.borrow_and_update();
            let cursor = shards.sink_cursor(SHARD, sink).map(|cursor| cursor.offset.0);
            if cursor == Some(head(shards).await) {
                return;
            }
            applied.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, reached).await.expect("the sink catches up");
}

fn publisher(shards: &Shards, sink: Arc<dyn EventSink>) -> Publisher {
    Publisher {
        shards: shards.clone(),
        shard: SHARD,
        monitor: Arc::new(SinkMonitor::new(sink.as_ref())),
        sink,
        metrics: PublishMetrics::default(),
        from_start: true,
    }
}

/// A publisher that runs.
struct Running {
    monitor: Arc<SinkMonitor>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(publisher: Publisher) -> Self {
        let (monitor, stop) = (Arc::clone(&publisher.monitor), CancellationToken::new());
        let task = tokio::spawn(publisher.run(stop.clone()));
        Self { monitor, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }

    /// As when the process is killed.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Waits until the sink's health is as wanted.
    async fn until(&self, wanted: impl Fn(&SinkHealth) -> bool) -> SinkHealth {
        let reached = async {
            loop {
                let health = self.monitor.health();
                if wanted(&health) {
                    return health;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the health is reached")
    }
}

/// What the next call of a [`MemorySink`] does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Good,
    /// Fails without taking anything.
    Failing,
    /// Takes all and fails all the same.
    LosesReceipts,
    /// Takes half, and then fails.
    TakesHalf,
    /// Never answers.
    Hanging,
}

/// A sink in memory that does as it is told, and keeps count.
#[derive(Default)]
struct MemorySink {
    mood: Mutex<Mood>,
    batches: Mutex<Vec<Batch>>,
    tails: AtomicU64,
}

impl MemorySink {
    fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    /// The offsets of all events, in the order of their arrival.
    fn offsets(&self) -> Vec<u64> {
        let batches = self.batches.lock();
        batches.iter().flat_map(|batch| &batch.events).map(|event| event.offset.0).collect()
    }

    fn gaps(&self) -> Vec<(u64, u64)> {
        let batches = self.batches.lock();
        batches.iter().filter_map(|batch| batch.gap).map(|gap| (gap.from.0, gap.to.0)).collect()
    }

    /// Loses what it holds after an offset.
    fn truncate(&self, to: u64) {
        self.batches.lock().retain(|batch| batch.last().is_some_and(|last| last.0 <= to));
    }

    fn held(&self) -> Option<Held> {
        let last = self.batches.lock().last().and_then(Batch::last);
        last.map(|offset| Held { offset, position: Some(format!("m{offset}")) })
    }

    fn take(&self, batch: &Batch) -> Result<Held, SinkError> {
        let mood = *self.mood.lock();
        let mut taken = batch.clone();
        if mood == Mood::TakesHalf {
            taken.events.truncate(batch.events.len().div_ceil(2));
        }
        if mood != Mood::Failing {
            self.batches.lock().push(taken);
        }
        match mood {
            Mood::Failing | Mood::LosesReceipts | Mood::TakesHalf => Err(unavailable()),
            Mood::Good | Mood::Hanging => Ok(self.held().expect("it holds the batch")),
        }
    }
}

fn unavailable() -> SinkError {
    SinkError::Unavailable {
        place: "memory".to_owned(),
        problem: "told to fail".to_owned(),
        remedy: "tell it not to",
    }
}

impl EventSink for MemorySink {
    fn name(&self) -> &str {
        "memory"
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn connect(&self, _: ShardId) -> BoxFuture<'_, Result<Box<dyn Connection + '_>, SinkError>> {
        let connection: Box<dyn Connection + '_> = Box::new(MemoryConnection::to(self));
        ready(Ok(connection)).boxed()
    }
}

/// A way to a [`MemorySink`].
struct MemoryConnection<'a> {
    sink: &'a MemorySink,
    receipts: VecDeque<Result<Held, SinkError>>,
}

impl<'a> MemoryConnection<'a> {
    fn to(sink: &'a MemorySink) -> Self {
        Self { sink, receipts: VecDeque::new() }
    }
}

impl Connection for MemoryConnection<'_> {
    fn read<'a>(&'a mut self, cursor: &'a SinkCursor) -> BoxFuture<'a, Result<Reach, SinkError>> {
        self.sink.tails.fetch_add(1, Ordering::SeqCst);
        let held = self.sink.held();
        let lost = cursor.position.is_some()
            && held.as_ref().is_none_or(|held| held.offset < cursor.offset);
        let as_told = Held { offset: cursor.offset, position: cursor.position.clone() };
        let held = match held {
            Some(held) => held,
            None if lost => Held::default(),
            None => as_told,
        };
        ready(Ok(Reach { held, lost })).boxed()
    }

    fn send<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<(), SinkError>> {
        if *self.sink.mood.lock() != Mood::Hanging {
            self.receipts.push_back(self.sink.take(batch));
        }
        ready(Ok(())).boxed()
    }

    fn receipt(&mut self) -> BoxFuture<'_, Result<Held, SinkError>> {
        async move {
            match self.receipts.pop_front() {
                Some(receipt) => receipt,
                None => pending().await,
            }
        }
        .boxed()
    }
}

/// A boot clock that the test moves.
#[derive(Default)]
struct HandClock {
    millis: AtomicU64,
}

impl HandClock {
    fn advance(&self, days: u64) {
        self.millis.fetch_add(days * 86_400_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn wall(&self) -> WallTime {
        WallTime(1_700_000_000_000)
    }

    fn boot(&self) -> u64 {
        1
    }

    fn boot_millis(&self) -> u64 {
        self.millis.load(Ordering::SeqCst)
    }
}
