//! Puts at one member of etcd, and a watch that sees them on another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::{JoinHandle, JoinSet};

use super::DRAIN;
use crate::{
    load::Histogram,
    peer::etcd::{self, Etcd, watch::Watch},
};

const PREFIX: &str = "flip:";
const VALUE: usize = 256;

/// Puts that go on, and what the watch has seen of them. They end when this is dropped.
pub(super) struct Puts {
    book: Arc<Mutex<Book>>,
    putting: JoinHandle<Result<()>>,
    reading: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Book {
    measuring: bool,
    seen: Histogram,
    /// When each put began that was not seen yet, and whether it counts.
    unseen: BTreeMap<u64, (Instant, bool)>,
}

impl Puts {
    /// Begins, on average so many a second, with the gaps of a Poisson process.
    pub(super) async fn start(
        leader: &Etcd,
        follower: &Etcd,
        a_second: f64,
        seed: u64,
    ) -> Result<Self> {
        let book = Arc::new(Mutex::new(Book::default()));
        let watch = Watch::open(follower.watcher()?, PREFIX).await?;
        let reading = tokio::spawn(read(watch, Arc::clone(&book)));
        let putting = tokio::spawn(put(leader.client()?, Arc::clone(&book), a_second, seed));
        Ok(Self { book, putting, reading })
    }

    /// The times from each put to its event, over a span.
    pub(super) async fn measure(&self, span: Duration) -> Result<Histogram> {
        locked(&self.book).measuring = true;
        tokio::time::sleep(span).await;
        locked(&self.book).measuring = false;
        self.putting.abort();
        tokio::time::sleep(DRAIN).await;
        ensure!(!self.reading.is_finished(), "the watch has ended");
        let book = locked(&self.book);
        let lost = book.unseen.values().filter(|(_, counts)| *counts).count();
        ensure!(lost == 0, "{lost} puts never reached the watch");
        Ok(book.seen.clone())
    }
}

impl Drop for Puts {
    fn drop(&mut self) {
        self.putting.abort();
        self.reading.abort();
    }
}

async fn put(
    client: crate::wire::etcd::kv_client::KvClient<tonic::transport::Channel>,
    book: Arc<Mutex<Book>>,
    a_second: f64,
    seed: u64,
) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut next = Instant::now();
    let mut putting = JoinSet::new();
    for number in 0_u64.. {
        let uniform: f64 = random.random_range(f64::EPSILON..1.0);
        next += Duration::from_secs_f64(-uniform.ln() / a_second);
        tokio::time::sleep_until(next.into()).await;
        let mut client = client.clone();
        {
            let mut book = locked(&book);
            let counts = book.measuring;
            book.unseen.insert(number, (Instant::now(), counts));
        }
        putting.spawn(async move {
            let key = format!("{PREFIX}{number}");
            etcd::put(&mut client, key.as_bytes(), vec![b'x'; VALUE]).await
        });
        while let Some(put) = putting.try_join_next() {
            put??;
        }
    }
    Ok(())
}

async fn read(mut watch: Watch, book: Arc<Mutex<Book>>) -> Result<()> {
    loop {
        let events = watch.next().await?;
        let now = Instant::now();
        for event in events {
            let key = event.kv.context("an event without a key")?.key;
            let number = std::str::from_utf8(&key)?.trim_start_matches(PREFIX).parse()?;
            let mut book = locked(&book);
            if let Some((began, true)) = book.unseen.remove(&number) {
                book.seen.record(now.saturating_duration_since(began));
            }
        }
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
