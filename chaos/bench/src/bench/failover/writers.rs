//! Open-loop writers, and the book of what was acknowledged when.
//!
//! A write of each stream is due at fixed times, whatever became of the former ones. One that is
//! refused or lost is tried once at each of the other nodes and then given up, as a client would
//! that has all their addresses: the next one is due soon.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::task::{JoinHandle, JoinSet};

use super::windows::Acks;

/// As many as ours has shards; etcd has one group for all of them.
pub(super) const STREAMS: usize = 16;
/// Between two writes of one stream: what a window is told too long at most.
pub(super) const PERIOD: Duration = Duration::from_millis(40);
/// Keys of one stream, in turn, so that a late write meets no newer one.
pub(super) const KEYS: usize = 64;

/// How long one node may take to answer: longer than any election.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a write goes to.
pub(super) trait Store: Clone + Send + Sync + 'static {
    /// Nodes that can be asked.
    fn nodes(&self) -> usize;
    /// Writes, and returns the revision that it got.
    fn write(&self, node: usize, key: Key, number: u64)
    -> impl Future<Output = Result<u64>> + Send;
    /// Reads the revision of a key linearizably.
    fn read(&self, node: usize, key: Key) -> impl Future<Output = Result<u64>> + Send;
}

/// A stream and one of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) stream: usize,
    pub(super) slot: usize,
}

/// Writers at work. They stop when this is dropped.
pub(super) struct Writers<S> {
    store: S,
    book: Arc<Mutex<Book>>,
    ticking: JoinHandle<()>,
}

#[derive(Default)]
struct Book {
    acks: [Acks; STREAMS],
    /// The highest revision that was acknowledged of each key.
    revisions: BTreeMap<Key, u64>,
}

impl<S: Store> Writers<S> {
    pub(super) fn start(store: S) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let ticking = tokio::spawn(tick(store.clone(), Arc::clone(&book)));
        Self { store, book, ticking }
    }

    /// The times of all acknowledgements since `from`, by stream.
    pub(super) fn acks(&self, from: Instant) -> Vec<Acks> {
        locked(&self.book).acks.iter().map(|acks| acks.since(from)).collect()
    }

    /// Waits until every stream is written to again for a while after `moment`.
    pub(super) async fn recovered(&self, moment: Instant, limit: Duration) -> Result<()> {
        const STEADY: usize = 10;
        let steady = |acks: &Acks| acks.since(moment).len() >= STEADY;
        while !locked(&self.book).acks.iter().all(steady) {
            ensure!(moment.elapsed() < limit, "a stream is not written to within {limit:?}");
            tokio::time::sleep(PERIOD).await;
        }
        Ok(())
    }

    /// Reads back what was acknowledged: a key must not be older than that.
    pub(super) async fn check(&self) -> Result<usize> {
        let expected = locked(&self.book).revisions.clone();
        let mut reading = JoinSet::new();
        for (n, (key, revision)) in expected.into_iter().enumerate() {
            let store = self.store.clone();
            reading.spawn(async move {
                let found = store.read(n % store.nodes(), key).await?;
                ensure!(
                    found >= revision,
                    "{key:?} is at revision {found} although {revision} was acknowledged"
                );
                Ok(())
            });
        }
        let read = reading.len();
        while let Some(one) = reading.join_next().await {
            one??;
        }
        Ok(read)
    }
}

impl<S> Drop for Writers<S> {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "streams are few")]
async fn tick<S: Store>(store: S, book: Arc<Mutex<Book>>) {
    let began = Instant::now();
    let mut writing = JoinSet::new();
    for number in 0_u64.. {
        let due = began + PERIOD.mul_f64(number as f64 / STREAMS as f64);
        tokio::time::sleep_until(due.into()).await;
        let (stream, round) = (number as usize % STREAMS, number as usize / STREAMS);
        let key = Key { stream, slot: round % KEYS };
        let (store, book) = (store.clone(), Arc::clone(&book));
        writing.spawn(async move { write(&store, &book, key, number).await });
        while writing.try_join_next().is_some() {}
    }
}

async fn write<S: Store>(store: &S, book: &Mutex<Book>, key: Key, number: u64) {
    // Neither the stream nor the key may decide which node is asked first.
    let first = (number / 3 + number) as usize;
    for n in 0..store.nodes() {
        let node = (first + n) % store.nodes();
        let asked = tokio::time::timeout(PATIENCE, store.write(node, key, number)).await;
        if let Ok(Ok(revision)) = asked {
            let mut book = locked(book);
            book.acks[key.stream].push(Instant::now());
            let highest = book.revisions.entry(key).or_default();
            *highest = revision.max(*highest);
            return;
        }
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
