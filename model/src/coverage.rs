//! How much of the schedule was kept: computed from the epochs, checked against the ledger.

use std::{collections::BTreeMap, ops::AddAssign};

use crate::{
    Miss, ShardTime,
    schedule::Epoch,
    slots::{Ended, Run},
};

/// The sum over a window. `expected = ok + failed + Σ missed` is a check, not a definition:
/// the left side is the schedule's arithmetic, the right side what was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Slots that were due, computed from the schedules.
    pub expected: u64,
    /// Slots whose check passed.
    pub ok: u64,
    /// Slots whose check failed.
    pub failed: u64,
    /// Slots without a result, by reason.
    pub missed: BTreeMap<Miss, u64>,
}

/// An epoch and, where it is over, how many slots it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochSpan {
    /// The schedule.
    pub epoch: Epoch,
    /// Slots at or after this one were never due, because the epoch had ended.
    pub slots: Option<u64>,
}

impl Coverage {
    /// The coverage of one resource in `from <= due < to`.
    #[must_use]
    pub fn of(epochs: &[EpochSpan], runs: &[Run], from: ShardTime, to: ShardTime) -> Self {
        let mut coverage = Self::default();
        for span in epochs {
            let (first, last) = span.slots_between(from, to);
            coverage.expected += last - first;
            for run in runs.iter().filter(|run| run.epoch == span.epoch.number) {
                let slots = run.to.min(last).saturating_sub(run.from.max(first));
                coverage.count(run.ended, slots);
            }
        }
        coverage
    }

    /// Slots without a result, all reasons together.
    #[must_use]
    pub fn missed_total(&self) -> u64 {
        self.missed.values().sum()
    }

    /// Whether what was recorded equals what the schedules ask for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.expected == self.ok + self.failed + self.missed_total()
    }

    /// The share of slots that got a result, 1 where none was due.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of slots are far below 2^53")]
    pub fn uptime_ratio(&self) -> f64 {
        if self.expected == 0 {
            return 1.0;
        }
        (self.ok + self.failed) as f64 / self.expected as f64
    }

    fn count(&mut self, ended: Ended, slots: u64) {
        match ended {
            _ if slots == 0 => {}
            Ended::Ok => self.ok += slots,
            Ended::Failed => self.failed += slots,
            Ended::Missed(reason) => *self.missed.entry(reason).or_default() += slots,
        }
    }
}

impl EpochSpan {
    fn slots_between(&self, from: ShardTime, to: ShardTime) -> (u64, u64) {
        let end = self.slots.unwrap_or(u64::MAX);
        let first = self.epoch.first_at_or_after(from).min(end);
        let last = self.epoch.first_at_or_after(to).min(end);
        (first, last.max(first))
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.expected += other.expected;
        self.ok += other.ok;
        self.failed += other.failed;
        for (reason, slots) in other.missed {
            *self.missed.entry(reason).or_default() += slots;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Millis, slots::Ledger};

    #[test]
    fn semantics_7_expected_comes_from_the_epochs_and_equals_what_was_recorded() {
        let epoch =
            Epoch { number: 0, start: ShardTime(0), interval: Millis(100), phase: Millis(0) };
        let mut ledger = Ledger::new(epoch);
        let mut runs = Vec::new();
        for (slot, ended) in [(0, Ended::Ok), (1, Ended::Failed), (5, Ended::Ok)] {
            let now = epoch.due(slot);
            runs.extend(ledger.end(0, slot, ended, Miss::Restart, now).unwrap());
        }
        runs.extend(ledger.open().copied());
        let to = ledger.watermark(ShardTime(10_000));
        let spans = [EpochSpan { epoch, slots: None }];
        let coverage = Coverage::of(&spans, &runs, ShardTime(0), to);
        assert_eq!((coverage.expected, coverage.ok, coverage.failed), (6, 2, 1));
        assert_eq!(coverage.missed, BTreeMap::from([(Miss::Restart, 3)]));
        assert!(coverage.adds_up());
        let later = Coverage::of(&spans, &runs, ShardTime(150), to);
        assert_eq!((later.expected, later.ok), (4, 1));
        assert!(later.adds_up());
    }

    #[test]
    fn a_lost_run_shows_as_a_sum_that_does_not_add_up() {
        let epoch =
            Epoch { number: 0, start: ShardTime(0), interval: Millis(100), phase: Millis(0) };
        let spans = [EpochSpan { epoch, slots: Some(3) }];
        assert!(!Coverage::of(&spans, &[], ShardTime(0), ShardTime(300)).adds_up());
    }
}
