//! What became of each scheduled slot: exactly one end, kept as run-length ranges.

use serde::{Deserialize, Serialize};

use crate::{Miss, ShardTime, schedule::Epoch};

/// How a slot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ended {
    /// The check passed.
    Ok,
    /// The check failed: the target's doing.
    Failed,
    /// There was no result: the monitor's doing.
    Missed(Miss),
}

/// Neighbouring slots of one epoch that ended alike: `from <= slot < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The epoch that the slots belong to.
    pub epoch: u32,
    /// The first slot.
    pub from: u64,
    /// The slot after the last.
    pub to: u64,
    /// How they ended.
    pub ended: Ended,
}

/// An epoch that is over, and how many slots it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedEpoch {
    /// Its schedule.
    pub epoch: Epoch,
    /// Slots `0..slots` were due, and each has ended.
    pub slots: u64,
}

/// The schedule in force and the end of every slot so far; closed runs are stored apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    epoch: Epoch,
    next: u64,
    open: Option<Run>,
}

/// Why a result cannot end a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The slot has its end already (SEMANTICS 6).
    #[error("slot {0} has ended already")]
    Repeated(u64),
    /// The slot belongs to a schedule that is over.
    #[error("epoch {0} is over")]
    FormerEpoch(u32),
    /// The slot is not due yet, which no honest schedule claims.
    #[error("slot {0} is not due yet")]
    Early(u64),
}

impl Ledger {
    /// A ledger whose first slot is still to come.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, next: 0, open: None }
    }

    /// The schedule in force.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The first slot that has not ended.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The run that may still grow.
    #[must_use]
    pub fn open(&self) -> Option<&Run> {
        self.open.as_ref()
    }

    /// Up to when every slot has ended: the coverage watermark (SEMANTICS 7).
    #[must_use]
    pub fn watermark(&self, now: ShardTime) -> ShardTime {
        self.epoch.due(self.next).min(now)
    }

    /// Ends `slot`. Slots before it that are still open ended as missed for `gap`. Returns
    /// the runs that cannot grow any more.
    ///
    /// # Errors
    /// A slot that has ended, belongs to a former epoch or is not due is refused; nothing changes.
    pub fn end(
        &mut self,
        epoch: u32,
        slot: u64,
        ended: Ended,
        gap: Miss,
        now: ShardTime,
    ) -> Result<Vec<Run>, Refused> {
        self.check(epoch, slot, now)?;
        let mut closed = self.end_before(slot, gap);
        closed.extend(self.append(slot, slot + 1, ended));
        Ok(closed)
    }

    /// Whether `slot` may end now.
    ///
    /// # Errors
    /// It has ended, belongs to a former epoch, or is not due.
    pub fn check(&self, epoch: u32, slot: u64, now: ShardTime) -> Result<(), Refused> {
        if epoch != self.epoch.number {
            return Err(Refused::FormerEpoch(epoch));
        }
        if slot < self.next {
            return Err(Refused::Repeated(slot));
        }
        if self.epoch.due(slot) > now {
            return Err(Refused::Early(slot));
        }
        Ok(())
    }

    /// Ends every open slot before `slot` as missed for `gap`.
    pub fn end_before(&mut self, slot: u64, gap: Miss) -> Vec<Run> {
        if slot <= self.next {
            return Vec::new();
        }
        self.append(self.next, slot, Ended::Missed(gap)).into_iter().collect()
    }

    /// Ends the epoch at `now`: its open slots are missed(changed), and `epoch` takes over.
    pub fn restart(&mut self, epoch: Epoch, now: ShardTime) -> (Vec<Run>, ClosedEpoch) {
        let due = self.epoch.first_at_or_after(now);
        let mut closed = self.end_before(due, Miss::Changed);
        closed.extend(self.open.take());
        let over = ClosedEpoch { epoch: self.epoch, slots: self.next };
        *self = Self::new(epoch);
        (closed, over)
    }

    fn append(&mut self, from: u64, to: u64, ended: Ended) -> Option<Run> {
        self.next = to;
        match &mut self.open {
            Some(open) if open.ended == ended => {
                open.to = to;
                None
            }
            _ => self.open.replace(Run { epoch: self.epoch.number, from, to, ended }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Millis;

    fn epoch(number: u32, start: u64) -> Epoch {
        Epoch { number, start: ShardTime(start), interval: Millis(100), phase: Millis(0) }
    }

    #[test]
    fn semantics_6_a_slot_ends_once_and_never_before_it_is_due() {
        let mut ledger = Ledger::new(epoch(0, 0));
        let now = ShardTime(250);
        assert_eq!(ledger.end(0, 3, Ended::Ok, Miss::Restart, now), Err(Refused::Early(3)));
        assert_eq!(ledger.end(0, 2, Ended::Ok, Miss::Restart, now).unwrap().len(), 1);
        assert_eq!(ledger.end(0, 2, Ended::Ok, Miss::Restart, now), Err(Refused::Repeated(2)));
        assert_eq!(ledger.end(1, 3, Ended::Ok, Miss::Restart, now), Err(Refused::FormerEpoch(1)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        End { ahead: u64, ok: bool },
        Restart,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            9 => (0u64..4, any::<bool>()).prop_map(|(ahead, ok)| Step::End { ahead, ok }),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn semantics_7_the_runs_cover_every_ended_slot_exactly_once(
            steps in prop::collection::vec(any_step(), 0..100),
        ) {
            let mut ledger = Ledger::new(epoch(0, 0));
            let (mut now, mut runs, mut over) = (ShardTime(0), Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::End { ahead, ok } => {
                        let slot = ledger.next() + ahead;
                        now = now.max(ledger.epoch().due(slot));
                        let ended = if ok { Ended::Ok } else { Ended::Failed };
                        let number = ledger.epoch().number;
                        runs.extend(ledger.end(number, slot, ended, Miss::Restart, now).unwrap());
                    }
                    Step::Restart => {
                        now = now.plus(Millis(130));
                        let next = epoch(ledger.epoch().number + 1, now.0);
                        let (closed, ended) = ledger.restart(next, now);
                        runs.extend(closed);
                        over.push(ended);
                    }
                }
            }
            over.push(ClosedEpoch { epoch: *ledger.epoch(), slots: ledger.next() });
            runs.extend(ledger.open().copied());
            for ClosedEpoch { epoch, slots } in over {
                let mut at = 0;
                for run in runs.iter().filter(|run| run.epoch == epoch.number) {
                    prop_assert_eq!(run.from, at);
                    prop_assert!(run.to > run.from);
                    at = run.to;
                }
                prop_assert_eq!(at, slots);
            }
        }
    }
}
