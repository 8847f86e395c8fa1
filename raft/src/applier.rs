//! The thread that applies entries, of all groups in turn.
//!
//! Invariant: jobs run one after another, in the order in which they came. Writers of one store
//! wait for each other anyway; a thread of its own spares each entry two switches between threads,
//! and keeps a device that hangs from blocking those that answer reads.

use std::{
    any::Any,
    io, panic,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Hands jobs to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Applier {
    /// Bounded by the number of groups: each waits for its job before it has another.
    jobs: Arc<Mutex<Option<mpsc::Sender<Job>>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// A simulation has no threads: jobs run where they are handed over, after so long.
    #[cfg(test)]
    simulated: Option<fn() -> std::time::Duration>,
}

impl Applier {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let thread = thread::Builder::new().name("apply".to_owned());
        let thread = thread.spawn(move || waiting.into_iter().for_each(|job| job()))?;
        let (jobs, thread) = (Arc::new(Mutex::new(Some(jobs))), Arc::new(Mutex::new(Some(thread))));
        Ok(Self {
            jobs,
            thread,
            #[cfg(test)]
            simulated: None,
        })
    }

    /// One without a thread, whose jobs take so long.
    #[cfg(test)]
    pub(crate) fn simulated(takes: fn() -> std::time::Duration) -> Self {
        Self { jobs: Arc::default(), thread: Arc::default(), simulated: Some(takes) }
    }

    /// Runs what takes long, but is not applying, on any thread that may block.
    ///
    /// # Errors
    /// It has panicked.
    pub(crate) async fn beside<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        #[cfg(test)]
        if self.simulated.is_some() {
            return Ok(job());
        }
        tokio::task::spawn_blocking(job).await.map_err(io::Error::other)
    }

    /// Runs a job and waits for what it returns.
    ///
    /// # Errors
    /// The job has panicked, and the thread goes on; or the thread has ended.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        #[cfg(test)]
        if let Some(takes) = self.simulated {
            tokio::time::sleep(takes()).await;
            return Ok(job());
        }
        let (done, result) = oneshot::channel();
        let job = move || {
            // The caller may have gone away, which undoes nothing.
            let _ = done.send(panic::catch_unwind(panic::AssertUnwindSafe(job)));
        };
        let ended = || io::Error::other("the thread that applies entries has ended");
        let sent = self.jobs.lock().as_ref().is_some_and(|jobs| jobs.send(Box::new(job)).is_ok());
        if !sent {
            return Err(ended());
        }
        result.await.map_err(|_| ended())?.map_err(|panic| io::Error::other(text_of(&*panic)))
    }

    /// Does what is queued and ends the thread: a process that ends beside one that still works
    /// on the store would crash.
    pub(crate) fn close(&self) {
        self.jobs.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // Jobs that panic do not end it.
            let _ = thread.join();
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("applying has panicked: {}", text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_in_order_and_a_panic_ends_only_its_own() {
        let applier = Applier::start().unwrap();
        assert_eq!(applier.run(|| 1).await.unwrap(), 1);
        let error = applier.run(|| -> u8 { panic!("out of order") }).await.unwrap_err();
        assert_eq!(error.to_string(), "applying has panicked: out of order");
        let (first, second) = tokio::join!(applier.run(|| 2), applier.run(|| 3));
        assert_eq!((first.unwrap(), second.unwrap()), (2, 3));
        applier.close();
        assert!(applier.run(|| 4).await.is_err(), "nothing is done after the end");
    }
}
