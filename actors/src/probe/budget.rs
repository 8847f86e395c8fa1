//! The time that a probe has left.
//!
//! Invariant: a budget ends a little before the probe's deadline, so that saying what went
//! wrong fits in, too.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::fault::Fault;

/// Kept back for the verdict. A tenth of the time, where that is less.
const MARGIN: Duration = Duration::from_millis(20);

/// The time that is left for a probe, or for a part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    started: Instant,
    until: Instant,
}

impl Budget {
    /// What is left until a deadline, less what the verdict needs.
    pub(crate) fn until(deadline: Instant) -> Self {
        let started = Instant::now();
        let margin = (deadline.saturating_duration_since(started) / 10).min(MARGIN);
        Self { started, until: deadline.checked_sub(margin).unwrap_or(deadline) }
    }

    /// When it ends.
    pub(crate) fn end(self) -> Instant {
        self.until
    }

    /// How long it still lasts.
    pub(crate) fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// How long it has been used.
    pub(crate) fn used(self) -> Duration {
        self.started.elapsed()
    }

    /// An even share of what is left, for one of so many attempts.
    pub(crate) fn share(self, attempts: usize) -> Self {
        let attempts = u32::try_from(attempts.max(1)).unwrap_or(u32::MAX);
        self.at_most(self.left() / attempts)
    }

    /// What is left, but not more than `limit` from now.
    pub(crate) fn at_most(self, limit: Duration) -> Self {
        let now = Instant::now();
        let until = now.checked_add(limit).map_or(self.until, |until| until.min(self.until));
        Self { started: now, until }
    }

    /// Awaits `work`; where the budget ends first, the fault is `late`.
    pub(crate) async fn run<T>(
        self,
        work: impl Future<Output = Result<T, Fault>>,
        late: impl FnOnce() -> Fault,
    ) -> Result<T, Fault> {
        match timeout_at(self.until, work).await {
            Ok(done) => done,
            Err(_) => Err(late()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_budget_ends_before_the_deadline_and_is_shared_evenly() {
        let deadline = Instant::now() + Duration::from_secs(10);
        let budget = Budget::until(deadline);
        assert!(budget.end() < deadline);
        assert!(budget.left() > Duration::from_millis(9_900));
        let half = budget.share(2).left();
        assert!(half > Duration::from_millis(4_900) && half < Duration::from_secs(5), "{half:?}");
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_leaves_nothing() {
        let budget = Budget::until(Instant::now());
        assert_eq!(budget.left(), Duration::ZERO);
        let late =
            budget.run(std::future::pending::<Result<(), Fault>>(), || Fault::failed("late")).await;
        assert_eq!(late, Err(Fault::failed("late")));
    }
}
