//! The bounded pool in which probes run.
//!
//! Invariant: a target is never blamed for the time in which this node did not get to run.

mod stalls;

use std::{sync::Arc, time::Duration};

use model::{Miss, Outcome};
use raft::failpoint;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use self::stalls::Stalls;
use crate::probe::{Finding, Probe};

/// A probe ends by its own deadline; one that does not is ended so much later, and is our fault.
const SLACK: Duration = Duration::from_secs(1);

/// Probes that run at the same time, of all shards of this node.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    stalls: Stalls,
}

impl Pool {
    /// A pool for so many. Needs a runtime around it.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), stalls: Stalls::watch() }
    }

    /// Runs a probe for at most `timeout`. One that finds no place before its next slot is due is
    /// missed for overload, never queued beyond its slot.
    ///
    /// A probe that starts late keeps its whole time-out: cutting it short would blame the target
    /// for our own delay.
    pub(crate) async fn run(
        &self,
        probe: Arc<dyn Probe>,
        timeout: Duration,
        slot_ends: Instant,
    ) -> Finding {
        let place = timeout_at(slot_ends, self.places.acquire()).await;
        let (Ok(Ok(_place)), true) = (place, Instant::now() < slot_ends) else {
            let detail = "no probe could start before the next slot was due".to_owned();
            return Finding::Missed { reason: Miss::Overload, detail };
        };
        failpoint!("probe-panics");
        let (began, stalled) = (Instant::now(), self.stalls.sum());
        let deadline = began + timeout;
        match timeout_at(deadline + SLACK, attempt(probe, deadline)).await {
            Ok(finding) => {
                let stalled = self.stalls.sum().saturating_sub(stalled);
                fair(finding, timeout, began.elapsed(), stalled)
            }
            Err(_) => {
                let detail = "the probe did not end by its deadline".to_owned();
                Finding::Missed { reason: Miss::Crashed, detail }
            }
        }
    }
}

/// A probe that ran out of time while this node stalled says nothing about its target: the
/// answer may have lain there unread (SEMANTICS 4).
fn fair(finding: Finding, timeout: Duration, took: Duration, stalled: Duration) -> Finding {
    let failed = matches!(finding, Finding::Concluded { outcome: Outcome::Failed { .. }, .. });
    // A probe keeps back at most a tenth of its time to say what went wrong.
    let ran_out = took >= timeout - timeout / 10;
    if failed && ran_out && stalled > timeout / 10 {
        let (stalled, took) = (stalled.as_millis(), took.as_millis());
        let detail = format!("this node stalled for {stalled} of the probe's {took} ms");
        return Finding::Missed { reason: Miss::Overload, detail };
    }
    finding
}

async fn attempt(probe: Arc<dyn Probe>, deadline: Instant) -> Finding {
    if failpoint!("probe-hangs").is_some() {
        std::future::pending::<()>().await;
    }
    probe.run(deadline).await
}

#[cfg(test)]
mod tests {
    use futures_util::future::{BoxFuture, FutureExt};
    use model::Metrics;

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

    #[test]
    fn semantics_4_a_timeout_while_the_node_stalls_is_never_the_targets_fault() {
        let ms = Duration::from_millis;
        let judged = |outcome: Outcome, took, stalled| {
            let finding = Finding::Concluded { outcome, metrics: Metrics::default() };
            fair(finding, ms(1_000), ms(took), ms(stalled))
        };
        let late = || Outcome::critical("timed out");
        let missed = judged(late(), 980, 101);
        assert!(matches!(missed, Finding::Missed { reason: Miss::Overload, .. }), "{missed:?}");
        for (outcome, took, stalled) in
            [(late(), 980, 100), (late(), 300, 200), (Outcome::passed(), 980, 500)]
        {
            let kept = judged(outcome.clone(), took, stalled);
            assert!(matches!(kept, Finding::Concluded { outcome: o, .. } if o == outcome));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_without_a_place_is_missed_for_overload_at_its_slots_end() {
        let pool = Pool::new(1);
        let (first, second) = tokio::join!(run(&pool, 1_000), run(&pool, 100));
        assert!(matches!(first, Finding::Concluded { .. }));
        assert!(matches!(second, Finding::Missed { reason: Miss::Overload, .. }));
    }

    /// One that forgets its deadline.
    struct Hung;

    impl Probe for Hung {
        fn run(&self, _deadline: Instant) -> BoxFuture<'_, Finding> {
            std::future::pending().boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_ends_is_ended_and_gives_its_place_back() {
        let (pool, began) = (Pool::new(1), Instant::now());
        let finding =
            pool.run(Arc::new(Hung), Duration::from_secs(1), began + Duration::from_secs(9)).await;
        assert!(matches!(finding, Finding::Missed { reason: Miss::Crashed, .. }), "{finding:?}");
        assert!(began.elapsed() <= Duration::from_secs(1) + SLACK + Duration::from_millis(5));
        assert!(matches!(run(&pool, 1_000).await, Finding::Concluded { .. }));
    }
}
