//! Changes in an open loop, when each was due, and when a reader had it.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::task::{JoinHandle, JoinSet};

use super::CHANGES_A_SECOND;

/// Resources, or keys, that are changed in turn.
pub(super) const CHANGED: usize = 100;

/// Makes a change.
pub(super) trait Writer: Clone + Send + Sync + 'static {
    /// Makes the change of this number.
    fn change(&self, number: usize) -> impl Future<Output = Result<()>> + Send;
}

/// Reads changes as they come.
pub(super) trait Reader: Send + 'static {
    /// The numbers of the changes that came next.
    fn next(&mut self, numbers: &mut Vec<usize>) -> impl Future<Output = Result<()>> + Send;
}

/// Changes that are being made.
pub(super) struct Changes {
    times: Times,
    made: Arc<AtomicUsize>,
    making: Option<JoinHandle<Result<()>>>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

/// When each change is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times(Instant);

impl Times {
    fn due(self, number: usize) -> Instant {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.0 + Duration::from_secs(1) * number / CHANGES_A_SECOND
    }
}

impl Changes {
    pub(super) fn begin(writer: impl Writer) -> Self {
        let (times, made) = (Times(Instant::now()), Arc::new(AtomicUsize::new(0)));
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let making = tokio::spawn(make(writer, times, Arc::clone(&made), Arc::clone(&stop)));
        Self { times, made, making: Some(making), stop }
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    /// How many were begun: the number of the next one.
    pub(super) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// Makes no more, and waits for those under way.
    ///
    /// # Errors
    /// One was not made.
    pub(super) async fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        match self.making.take() {
            Some(making) => making.await?,
            None => Ok(()),
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.making.take().iter().for_each(JoinHandle::abort);
    }
}

async fn make(
    writer: impl Writer,
    times: Times,
    made: Arc<AtomicUsize>,
    stop: Arc<std::sync::atomic::AtomicBool>,
) -> Result<()> {
    let mut making = JoinSet::new();
    for number in 0.. {
        tokio::time::sleep_until(times.due(number).into()).await;
        if stop.load(Ordering::SeqCst) {
            break;
        }
        made.store(number + 1, Ordering::SeqCst);
        let writer = writer.clone();
        making.spawn(async move { writer.change(number).await });
        while let Some(done) = making.try_join_next() {
            done??;
        }
    }
    while let Some(done) = making.join_next().await {
        done??;
    }
    Ok(())
}

/// How late one reader had each change.
#[derive(Debug, Default)]
pub(super) struct Book(Vec<Option<Duration>>);

impl Book {
    fn note(&mut self, number: usize, late: Duration) {
        if self.0.len() <= number {
            self.0.resize(number + 1, None);
        }
        self.0[number].get_or_insert(late);
    }

    pub(super) fn of(&self, numbers: Range<usize>) -> impl Iterator<Item = Duration> + '_ {
        numbers.filter_map(|number| self.0.get(number).copied().flatten())
    }
}

pub(super) async fn read<R: Reader>(
    mut reader: R,
    times: Times,
    book: Arc<Mutex<Book>>,
) -> Result<()> {
    let mut numbers = Vec::new();
    loop {
        numbers.clear();
        reader.next(&mut numbers).await?;
        let now = Instant::now();
        let mut book = locked(&book);
        for number in &numbers {
            book.note(*number, now.saturating_duration_since(times.due(*number)));
        }
    }
}

/// Waits until every reader has every change below `last` that came after its first.
pub(super) async fn until_all_have(
    books: &[Arc<Mutex<Book>>],
    last: usize,
    limit: Duration,
    look: Duration,
) -> Result<()> {
    let began = Instant::now();
    let lacks = |book: &&Arc<Mutex<Book>>| locked(book).of(last - 1..last).next().is_none();
    loop {
        let lacking = books.iter().filter(lacks).count();
        if lacking == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < limit, "{lacking} watches lack the last change");
        tokio::time::sleep(look).await;
    }
}

pub(super) fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
