//! The file sink under publishers that are killed at random points, with and without their
//! cursor. Each run is found again by its seed.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::Notify;

use super::*;
use crate::sink::{FileSettings, FileSink};

/// What happens to the batch at which a publisher is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It is never handed over.
    Before,
    /// It is handed over, and nobody waits.
    During,
    /// It is durable, but its receipt is lost.
    After,
}

/// Stops the n-th batch and calls for the kill.
struct Tripwire {
    inner: Arc<FileSink>,
    name: String,
    left: AtomicU64,
    cut: Cut,
    tripped: Notify,
}

impl EventSink for Tripwire {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "file"
    }

    fn connect(
        &self,
        shard: ShardId,
    ) -> BoxFuture<'_, Result<Box<dyn Connection + '_>, SinkError>> {
        async move {
            let inner = self.inner.connect(shard).await?;
            let connection: Box<dyn Connection + '_> = Box::new(Tripped { wire: self, inner });
            Ok(connection)
        }
        .boxed()
    }
}

struct Tripped<'a> {
    wire: &'a Tripwire,
    inner: Box<dyn Connection + 'a>,
}

impl Connection for Tripped<'_> {
    fn read<'a>(&'a mut self, cursor: &'a SinkCursor) -> BoxFuture<'a, Result<Reach, SinkError>> {
        self.inner.read(cursor)
    }

    fn send<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<(), SinkError>> {
        async move {
            if self.wire.left.fetch_sub(1, Ordering::SeqCst) > 1 {
                return self.inner.send(batch).await;
            }
            match self.wire.cut {
                Cut::Before => {}
                Cut::During => self.inner.send(batch).await?,
                Cut::After => {
                    self.inner.send(batch).await?;
                    drop(self.inner.receipt().await);
                }
            }
            self.wire.tripped.notify_one();
            pending().await
        }
        .boxed()
    }

    fn receipt(&mut self) -> BoxFuture<'_, Result<Held, SinkError>> {
        self.inner.receipt()
    }
}

#[tokio::test]
async fn semantics_10_each_event_is_in_the_file_once_and_in_order_whatever_was_killed() {
    // Side by side, because each waits for its cursor, which moves once a second.
    for first in [0, 12, 24] {
        join_all((first..first + 12).map(run)).await;
    }
}

async fn run(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut dice = StdRng::seed_from_u64(seed);
    let (shards, mut declared) = (one_shard().await, 0);
    for round in 0..6 {
        let more = dice.random_range(1..40);
        round_until_killed(&shards, &path, &mut dice, round, declared..declared + more).await;
        declared += more;
    }
    let file = open(&path, &shards).await;
    let running = Running::start(publisher(&shards, Arc::clone(&file) as Arc<dyn EventSink>));
    caught_up(&shards, "file").await;
    running.stop().await;
    file.close().await;
    assert_eq!(ids(&path), expected(&shards).await, "seed {seed}");
}

async fn round_until_killed(
    shards: &Shards,
    path: &Path,
    dice: &mut StdRng,
    round: u64,
    declared: std::ops::Range<u64>,
) {
    let inner = open(path, shards).await;
    let cut = [Cut::Before, Cut::During, Cut::After][dice.random_range(0..3)];
    // Under a new name nothing is known but what the file holds.
    let name = if dice.random_bool(0.5) { "file".to_owned() } else { format!("lost-{round}") };
    let left = AtomicU64::new(dice.random_range(1..6));
    let tripwire =
        Arc::new(Tripwire { inner: Arc::clone(&inner), name, left, cut, tripped: Notify::new() });
    let sink = Arc::clone(&tripwire);
    let running = Running::start(publisher(shards, sink as Arc<dyn EventSink>));
    declare(shards, declared).await;
    tokio::select! {
        () = tripwire.tripped.notified() => running.kill().await,
        () = caught_up(shards, &tripwire.name) => running.stop().await,
    }
    inner.close().await;
}

async fn open(path: &Path, shards: &Shards) -> Arc<FileSink> {
    let settings = FileSettings::new("file", path);
    Arc::new(FileSink::open(settings, shards.cluster().clone()).await.unwrap())
}

fn ids(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let id = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        json["id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

async fn expected(shards: &Shards) -> Vec<String> {
    let page = shards.outbox(SHARD, Offset(0), usize::MAX).await.unwrap();
    let offsets: BTreeMap<_, _> =
        page.events.iter().map(|e| (e.offset, e.id(shards.cluster()).to_string())).collect();
    assert_eq!(offsets.len() as u64, page.head.0);
    offsets.into_values().collect()
}
