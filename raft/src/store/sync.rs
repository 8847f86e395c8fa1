//! The one thread that makes writes durable: a single fsync completes all groups' appends.
//!
//! Invariant: a callback runs only after the fsync that covers its batch. After a failed write
//! or fsync nothing is acknowledged any more, and the process ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    bug,
    disk::{Batch, Disk, Fatal},
    failpoint,
};

/// Called once, with the result of the fsync.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

struct Job {
    batch: Batch,
    done: Option<Done>,
}

/// What the sync thread has done so far.
#[derive(Debug, Default)]
pub(crate) struct SyncStats {
    syncs: AtomicU64,
    micros: AtomicU64,
}

impl SyncStats {
    /// How many fsyncs, and how long they took together.
    pub(crate) fn read(&self) -> (u64, Duration) {
        let micros = self.micros.load(Ordering::Relaxed);
        (self.syncs.load(Ordering::Relaxed), Duration::from_micros(micros))
    }
}

/// The jobs of one fsync.
struct Round {
    batch: Batch,
    waiting: Vec<Option<Done>>,
}

/// Takes jobs on their way.
type Submit = Box<dyn Fn(Job) -> Result<(), Job> + Send>;

/// The way to the sync thread. What is queued is bounded by what the groups have in flight.
#[derive(Clone)]
pub(crate) struct SyncQueue {
    jobs: Arc<Mutex<Option<Submit>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    stats: Arc<SyncStats>,
}

impl SyncQueue {
    pub(crate) fn start(disk: Arc<dyn Disk>, fatal: Fatal) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let stats = Arc::new(SyncStats::default());
        let seen = Arc::clone(&stats);
        let thread = thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || run(disk.as_ref(), &receiver, &fatal, &seen))?;
        let submit: Submit = Box::new(move |job| sender.send(job).map_err(|refused| refused.0));
        let (jobs, thread) =
            (Arc::new(Mutex::new(Some(submit))), Arc::new(Mutex::new(Some(thread))));
        Ok(Self { jobs, thread, stats })
    }

    /// One without a thread, for a simulation: each fsync takes as long as `span` says.
    #[cfg(test)]
    pub(crate) fn simulated(
        disk: Arc<dyn Disk>,
        fatal: Fatal,
        span: impl Fn() -> Duration + Send + 'static,
    ) -> Self {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let stats = Arc::new(SyncStats::default());
        let seen = Arc::clone(&stats);
        tokio::spawn(async move {
            while let Some(first) = receiver.recv().await {
                let round = Round::of(first, std::iter::from_fn(|| receiver.try_recv().ok()));
                let written = write(disk.as_ref(), &round.batch);
                tokio::time::sleep(span()).await;
                let result = written.and_then(|()| sync(disk.as_ref(), &seen));
                if !round.end(&result, &fatal) {
                    return;
                }
            }
        });
        let submit: Submit = Box::new(move |job| sender.send(job).map_err(|refused| refused.0));
        Self { jobs: Arc::new(Mutex::new(Some(submit))), thread: Arc::default(), stats }
    }

    /// Queues a batch. `done` runs once it is durable.
    pub(crate) fn submit(&self, batch: Batch, done: Option<Done>) {
        let job = Job { batch, done };
        let refused = match &*self.jobs.lock() {
            Some(submit) => submit(job).err(),
            None => Some(job),
        };
        if let Some(done) = refused.and_then(|job| job.done) {
            done(Err(io::Error::other("the store is closed")));
        }
    }

    /// Queues a batch and waits until it is durable.
    pub(crate) async fn persist(&self, batch: Batch) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let done = move |result| {
            // A caller that has gone away does not need the result.
            let _ = sender.send(result);
        };
        self.submit(batch, Some(Box::new(done)));
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the store is closed")))
    }

    pub(crate) fn stats(&self) -> &SyncStats {
        &self.stats
    }

    /// Makes everything that is queued durable and ends the thread.
    pub(crate) fn close(&self) {
        self.jobs.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Round {
    fn of(first: Job, others: impl Iterator<Item = Job>) -> Self {
        let mut round = Self { batch: first.batch, waiting: vec![first.done] };
        for job in others {
            round.batch.0.extend(job.batch.0);
            round.waiting.push(job.done);
        }
        round
    }

    /// Tells all who wait. `false` once nothing may be acknowledged any more.
    fn end(self, result: &io::Result<()>, fatal: &Fatal) -> bool {
        if let Err(error) = result {
            fatal(&format!("cannot make writes durable: {error}"));
        }
        for done in self.waiting.into_iter().flatten() {
            done(copy(result));
        }
        result.is_ok()
    }
}

fn run(disk: &dyn Disk, jobs: &Receiver<Job>, fatal: &Fatal, stats: &SyncStats) {
    while let Ok(first) = jobs.recv() {
        let mut round = Round::of(first, jobs.try_iter());
        let result = write(disk, &round.batch);
        if bug!("bug-ack-before-fsync") || bug!("bug-publish-before-commit") {
            round.waiting.drain(..).flatten().for_each(|done| done(copy(&result)));
        }
        let result = result.and_then(|()| sync(disk, stats));
        failpoint!("after-sync-before-ack");
        if !round.end(&result, fatal) {
            return;
        }
    }
    // What was installed or written without waiting becomes durable, too.
    if let Err(error) = disk.sync() {
        fatal(&format!("cannot make writes durable: {error}"));
    }
}

fn write(disk: &dyn Disk, batch: &Batch) -> io::Result<()> {
    if batch.is_empty() { Ok(()) } else { disk.write(batch) }
}

fn sync(disk: &dyn Disk, stats: &SyncStats) -> io::Result<()> {
    failpoint!("before-sync");
    if bug!("bug-skip-fsync") {
        return Ok(());
    }
    let began = Instant::now();
    disk.sync()?;
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    stats.micros.fetch_add(micros, Ordering::Relaxed);
    stats.syncs.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn copy(result: &io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::disk::{MemoryDisk, Space, View, Visit};

    /// A disk whose fsync fails.
    struct Broken(MemoryDisk);

    impl View for Broken {
        fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
            self.0.get(space, key)
        }
        fn scan(&self, space: Space, from: &[u8], to: &[u8], v: Visit<'_>) -> io::Result<()> {
            self.0.scan(space, from, to, v)
        }
        fn last(&self, s: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
            self.0.last(s, from, to)
        }
    }

    impl Disk for Broken {
        fn write(&self, batch: &Batch) -> io::Result<()> {
            self.0.write(batch)
        }
        fn sync(&self) -> io::Result<()> {
            Err(io::Error::other("EIO"))
        }
        fn view(&self) -> Box<dyn View + '_> {
            self.0.view()
        }
    }

    fn put(value: u8) -> Batch {
        let mut batch = Batch::default();
        batch.put(Space::Log, vec![value], vec![value]);
        batch
    }

    #[tokio::test]
    async fn what_is_acknowledged_survives_a_power_cut() {
        let disk = Arc::new(MemoryDisk::new());
        let queue = SyncQueue::start(disk.clone(), Arc::new(|_| {})).unwrap();
        queue.persist(put(1)).await.unwrap();
        disk.crash();
        assert_eq!(disk.get(Space::Log, &[1]).unwrap(), Some(vec![1]));
        assert!(queue.stats().read().0 >= 1);
        queue.close();
        assert!(queue.persist(put(2)).await.is_err());
    }

    #[tokio::test]
    async fn a_failed_fsync_is_fatal_and_acknowledges_nothing() {
        let died = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&died);
        let fatal: Fatal = Arc::new(move |_| seen.store(true, Ordering::SeqCst));
        let queue = SyncQueue::start(Arc::new(Broken(MemoryDisk::new())), fatal).unwrap();
        assert!(queue.persist(put(1)).await.is_err());
        assert!(died.load(Ordering::SeqCst));
        assert!(queue.persist(put(2)).await.is_err(), "nothing is acknowledged after a failure");
        queue.close();
    }
}
