//! How long this process did not get to run: short of processor time, or of memory.
//!
//! Invariant: a stall counts from its first moment on, also before the watcher itself has run
//! again, because a time-out that fires at its end is judged right then.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

const TICK: Duration = Duration::from_millis(20);
/// Timers are never quite on time.
const USUAL: Duration = Duration::from_millis(10);

/// The sum of all stalls. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Stalls {
    counted: Arc<Counted>,
}

#[derive(Debug)]
struct Counted {
    began: Instant,
    /// Ended stalls, in microseconds.
    sum: AtomicU64,
    /// When the watcher is to run next, in microseconds since the beginning.
    due: AtomicU64,
}

impl Stalls {
    /// Begins to watch, until the last clone is gone.
    pub(super) fn watch() -> Self {
        let counted =
            Counted { began: Instant::now(), sum: AtomicU64::new(0), due: micros(TICK).into() };
        let counted = Arc::new(counted);
        tokio::spawn(watch(Arc::downgrade(&counted), counted.began + TICK));
        Self { counted }
    }

    /// All stalls so far, one that goes on included.
    pub(super) fn sum(&self) -> Duration {
        Duration::from_micros(self.counted.sum.load(SeqCst)) + self.counted.overdue()
    }
}

impl Counted {
    fn overdue(&self) -> Duration {
        let due = Duration::from_micros(self.due.load(SeqCst));
        let late = self.began.elapsed().saturating_sub(due);
        if late > USUAL { late } else { Duration::ZERO }
    }
}

async fn watch(counted: Weak<Counted>, mut due: Instant) {
    loop {
        sleep_until(due).await;
        let Some(counted) = counted.upgrade() else { return };
        let late = counted.overdue();
        due = Instant::now() + TICK;
        // In this order a reader in between counts a stall twice rather than not at all.
        counted.sum.fetch_add(micros(late), SeqCst);
        counted.due.store(micros(due - counted.began), SeqCst);
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stall_counts_at_once_and_once() {
        let stalls = Stalls::watch();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = stalls.sum();
        // The only thread of this runtime does nothing else meanwhile.
        std::thread::sleep(Duration::from_millis(300));
        let during = stalls.sum() - before;
        assert!(during >= Duration::from_millis(250), "{during:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let after = stalls.sum() - before;
        assert!(after >= during, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_runs_on_time_has_no_stalls() {
        let stalls = Stalls::watch();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(stalls.sum(), Duration::ZERO);
    }
}
