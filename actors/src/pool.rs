//! The bounded pool in which probes run.

use std::sync::Arc;

use model::Miss;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::probe::{Finding, Probe};

/// Probes that run at the same time, of all shards of this node.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)) }
    }

    /// Runs a probe for at most `timeout`. One that finds no place before its next slot is due is
    /// missed for overload, never queued beyond its slot.
    ///
    /// A probe that starts late keeps its whole time-out: cutting it short would blame the target
    /// for our own delay.
    pub(crate) async fn run(
        &self,
        probe: Arc<dyn Probe>,
        timeout: std::time::Duration,
        slot_ends: Instant,
    ) -> Finding {
        let place = timeout_at(slot_ends, self.places.acquire()).await;
        let (Ok(Ok(_place)), true) = (place, Instant::now() < slot_ends) else {
            let detail = "no probe could start before the next slot was due".to_owned();
            return Finding::Missed { reason: Miss::Overload, detail };
        };
        probe.run(Instant::now() + timeout).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::{BoxFuture, FutureExt};
    use model::{Metrics, Outcome};

    use super::*;

    /// A target that takes half a second to answer.
    struct Slow;

    impl Probe for Slow {
        fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding> {
            async move {
                let answered = Instant::now() + Duration::from_millis(500);
                tokio::time::sleep_until(answered.min(deadline)).await;
                let outcome = if answered <= deadline {
                    Outcome::passed()
                } else {
                    Outcome::critical("timed out")
                };
                Finding::Concluded { outcome, metrics: Metrics::default() }
            }
            .boxed()
        }
    }

    async fn run(pool: &Pool, left: u64) -> Finding {
        let ends = Instant::now() + Duration::from_millis(left);
        pool.run(Arc::new(Slow), Duration::from_secs(1), ends).await
    }

    #[tokio::test(start_paused = true)]
    async fn semantics_4_a_late_start_is_never_the_targets_fault() {
        let finding = run(&Pool::new(1), 10).await;
        assert!(matches!(finding, Finding::Concluded { outcome, .. } if outcome.is_passed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_without_a_place_is_missed_for_overload_at_its_slots_end() {
        let pool = Pool::new(1);
        let (first, second) = tokio::join!(run(&pool, 1_000), run(&pool, 100));
        assert!(matches!(first, Finding::Concluded { .. }));
        assert!(matches!(second, Finding::Missed { reason: Miss::Overload, .. }));
    }
}
