//! The thread that shortens logs. What was applied is not logged a second time, so that after a
//! crash it is applied again from the entries.
//!
//! Invariant: an entry leaves the disk only after what came of it is durable.

use std::{
    io,
    sync::{Arc, mpsc::channel},
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use tracing::warn;

use super::sync::SyncQueue;
use crate::{
    bug,
    disk::{Batch, Disk},
};

/// Up to which index the disk is told that a group's entries are gone. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gone(Arc<Mutex<Option<u64>>>);

impl Gone {
    /// Never goes back, in whichever order entries may go: a log that says that it begins before
    /// its first entry cannot be read.
    fn advance(&self, upto: u64, take: impl FnOnce()) {
        let mut gone = self.0.lock();
        if Some(upto) > *gone {
            *gone = Some(upto);
            take();
        }
    }
}

/// Entries of one group that may go.
pub(crate) struct Job {
    pub(crate) upto: u64,
    /// What takes them from the disk.
    pub(crate) batch: Batch,
    pub(crate) gone: Gone,
}

/// Takes jobs on their way.
type Submit = Box<dyn Fn(Job) + Send>;

/// The way to the thread. Clones share it. What is queued is bounded by the number of groups: each
/// shortens its log after thousands of entries.
#[derive(Clone)]
pub(crate) struct Shortener {
    sync: SyncQueue,
    jobs: Arc<Mutex<Option<Submit>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Shortener {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn start(disk: Arc<dyn Disk>, sync: SyncQueue) -> io::Result<Self> {
        let (sender, receiver) = channel::<Job>();
        let after = sync.clone();
        let thread = thread::Builder::new().name("shorten".to_owned()).spawn(move || {
            while let Ok(first) = receiver.recv() {
                shorten(disk.as_ref(), &after, std::iter::once(first).chain(receiver.try_iter()));
            }
        })?;
        let submit: Submit = Box::new(move |job| {
            // It has ended: the entries stay.
            let _ = sender.send(job);
        });
        Ok(Self::with(sync, submit, Some(thread)))
    }

    /// One without a thread, for a simulation: writing out takes as long as `span` says.
    #[cfg(test)]
    pub(crate) fn simulated(
        disk: Arc<dyn Disk>,
        sync: SyncQueue,
        span: impl Fn() -> std::time::Duration + Send + 'static,
    ) -> Self {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let after = sync.clone();
        tokio::spawn(async move {
            while let Some(job) = receiver.recv().await {
                tokio::time::sleep(span()).await;
                shorten(disk.as_ref(), &after, std::iter::once(job));
            }
        });
        let submit: Submit = Box::new(move |job| {
            let _ = sender.send(job);
        });
        Self::with(sync, submit, None)
    }

    fn with(sync: SyncQueue, submit: Submit, thread: Option<JoinHandle<()>>) -> Self {
        let jobs = Arc::new(Mutex::new(Some(submit)));
        Self { sync, jobs, thread: Arc::new(Mutex::new(thread)) }
    }

    /// Takes entries from the disk, once what came of them is durable.
    pub(crate) fn shorten(&self, job: Job) {
        if bug!("bug-shorten-before-written") {
            return self.shorten_now(job);
        }
        if let Some(submit) = &*self.jobs.lock() {
            submit(job);
        }
    }

    /// Takes entries from the disk that nothing durable comes of any more, in the order of the
    /// group's other writes.
    pub(crate) fn shorten_now(&self, job: Job) {
        take(&self.sync, job);
    }

    /// Does what is queued and ends the thread.
    pub(crate) fn close(&self) {
        self.jobs.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn shorten(disk: &dyn Disk, sync: &SyncQueue, jobs: impl Iterator<Item = Job>) {
    let jobs: Vec<Job> = jobs.collect();
    if let Err(error) = disk.flush_applied() {
        warn!(%error, "logs stay longer than they need be: what was applied was not written out");
        return;
    }
    for job in jobs {
        take(sync, job);
    }
}

fn take(sync: &SyncQueue, Job { upto, batch, gone }: Job) {
    gone.advance(upto, || sync.submit(batch, None));
}

#[cfg(test)]
mod tests {
    use std::{ops::ControlFlow, sync::atomic::AtomicBool, sync::atomic::Ordering};

    use super::*;
    use crate::disk::{MemoryDisk, Space, View, Visit};

    /// A disk that may have no room for a table.
    #[derive(Default)]
    struct Full {
        memory: MemoryDisk,
        full: AtomicBool,
    }

    impl View for Full {
        fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
            self.memory.get(space, key)
        }
        fn scan(&self, space: Space, from: &[u8], to: &[u8], v: Visit<'_>) -> io::Result<()> {
            self.memory.scan(space, from, to, v)
        }
        fn last(&self, s: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
            self.memory.last(s, from, to)
        }
    }

    impl Disk for Full {
        fn write(&self, batch: &Batch) -> io::Result<()> {
            self.memory.write(batch)
        }
        fn write_applied(&self, batch: &Batch) -> io::Result<()> {
            self.memory.write_applied(batch)
        }
        fn flush_applied(&self) -> io::Result<()> {
            if self.full.load(Ordering::SeqCst) {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.memory.flush_applied()
        }
        fn sync(&self) -> io::Result<()> {
            self.memory.sync()
        }
        fn view(&self) -> Box<dyn View + '_> {
            self.memory.view()
        }
    }

    fn one(space: Space, key: u8) -> Batch {
        let mut batch = Batch::default();
        batch.put(space, vec![key], vec![key]);
        batch
    }

    fn entries(disk: &dyn Disk) -> usize {
        let mut count = 0;
        let mut visit = |_: &[u8], _: &[u8]| {
            count += 1;
            ControlFlow::Continue(())
        };
        disk.scan(Space::Log, &[0], &[255], &mut visit).unwrap();
        count
    }

    fn job(upto: u8, gone: &Gone) -> Job {
        let mut batch = Batch::default();
        batch.delete_range(Space::Log, vec![0], vec![upto + 1]);
        Job { upto: u64::from(upto), batch, gone: gone.clone() }
    }

    #[tokio::test]
    async fn entries_stay_until_what_came_of_them_is_durable() {
        let disk = Arc::new(Full::default());
        let sync = SyncQueue::start(disk.clone(), Arc::new(|_| {})).unwrap();
        let shortener = Shortener::start(disk.clone(), sync.clone()).unwrap();
        let gone = Gone::default();
        for key in 1..=4 {
            sync.persist(one(Space::Log, key)).await.unwrap();
            disk.write_applied(&one(Space::State, key)).unwrap();
        }
        disk.full.store(true, Ordering::SeqCst);
        shortener.shorten(job(2, &gone));
        shortener.close();
        sync.persist(Batch::default()).await.unwrap();
        assert_eq!(entries(disk.as_ref()), 4, "nothing was written out");
        disk.full.store(false, Ordering::SeqCst);
        let shortener = Shortener::start(disk.clone(), sync.clone()).unwrap();
        shortener.shorten(job(3, &gone));
        shortener.close();
        sync.persist(Batch::default()).await.unwrap();
        assert_eq!(entries(disk.as_ref()), 1);
        disk.memory.crash();
        assert_eq!(disk.get(Space::State, &[3]).unwrap(), Some(vec![3]), "what is left can go on");
        sync.close();
    }

    #[test]
    fn a_log_never_begins_before_it_did() {
        let gone = Gone::default();
        let mut taken = Vec::new();
        for upto in [0, 5, 9, 7, 9, 10] {
            gone.advance(upto, || taken.push(upto));
        }
        assert_eq!(taken, [0, 5, 9, 10]);
    }
}
