//! Files that may be on another host and hang: they are read on threads of the runtime that others need, too,
//! so that few of these may wait for them at once.

use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};

/// Threads that may read files of one kind at once.
pub(crate) struct FileThreads(Semaphore);

/// For what checks name.
pub(crate) static OF_CHECKS: FileThreads = FileThreads::new(8);
/// For what sinks name, which do not wait for the files of checks.
pub(crate) static OF_SINKS: FileThreads = FileThreads::new(4);

impl FileThreads {
    const fn new(threads: usize) -> Self {
        Self(Semaphore::const_new(threads))
    }

    /// Does work with a file once a thread may. Whoever gives up waiting leaves the work to end by itself, and
    /// its thread is free only then.
    ///
    /// # Errors
    /// It panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        // It is never closed.
        let place = self.0.acquire().await;
        spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time::timeout;

    use super::*;

    static FEW: FileThreads = FileThreads::new(2);

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_hangs_holds_few_threads() {
        let hung: Vec<mpsc::Sender<()>> = futures_util::future::join_all((0..2).map(async |_| {
            let (free, wait) = mpsc::channel::<()>();
            let work = FEW.run(move || wait.recv().is_ok());
            assert!(timeout(Duration::from_millis(50), work).await.is_err(), "it hangs");
            free
        }))
        .await;
        assert!(timeout(Duration::from_millis(50), FEW.run(|| 1)).await.is_err(), "none is free");
        drop(hung);
        let done = timeout(Duration::from_secs(10), FEW.run(|| 7)).await;
        assert_eq!(done.expect("one is free").unwrap(), 7);
    }
}
