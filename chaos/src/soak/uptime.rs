//! The ledger beside what the targets saw, slot by slot (SEMANTICS 6, 7): the monitor's uptime by
//! its own account, and by that of those who were to be checked.
//!
//! From outside, how many slots were due follows from the interval, the declaration and the rhythm
//! of the probes; how many had a check, from the probes that a target answered. No node is asked for
//! either.
//!
//! Invariant: both count the same slots as due. No slot is recorded as checked that its target did
//! not answer in, and none is lacking that it answered in while nothing was hurt. What a fault took
//! away between an answer and its record makes the one difference, and its bound is counted.

use std::collections::BTreeMap;

use harness::oracle::Ledger;
use model::WallTime;
use serde::Serialize;

use super::{grid::Grid, spans::Spans};
use crate::history::{History, Moment, TargetLog};

/// Reasons with which a slot may be missed under the faults that are drawn.
const BY_FAULTS: [&str; 3] = ["overload", "restart", "takeover"];
/// What the monitor's uptime is to be at least.
pub(super) const FLOOR: f64 = 0.999;

/// Slots that were due, and those of them that had a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Slots {
    pub(super) due: u64,
    pub(super) checked: u64,
}

impl Slots {
    /// The share that had one; 1 where none was due.
    pub(super) fn uptime(self) -> f64 {
        if self.due == 0 {
            return 1.0;
        }
        self.checked as f64 / self.due as f64
    }
}

/// What came of all slots of all targets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Uptime {
    /// By the ledgers.
    pub(super) ledger: Slots,
    /// By the targets.
    pub(super) outside: Slots,
    /// Slots in which a target answered while nothing was hurt.
    pub(super) sure: u64,
    /// Slots whose check passed.
    pub(super) ok: u64,
    /// Slots whose check failed.
    pub(super) failed: u64,
    /// Slots without a result, by reason.
    pub(super) missed: BTreeMap<String, u64>,
    /// What no fault explains.
    pub(super) offences: Vec<String>,
}

impl Uptime {
    /// Counts both sides.
    pub(super) fn of(history: &History) -> Self {
        let hurt = Spans::hurt(history);
        let mut uptime = Self::default();
        for target in &history.targets {
            if let Err(why) = uptime.add(history, target, &hurt) {
                uptime.offences.push(format!("{}: {why}", target.id));
            }
        }
        uptime
    }

    /// How many slots a target answered in of which the ledger does not know, and how many those may
    /// be at most.
    pub(super) fn taken_away(&self) -> (u64, u64) {
        let Self { ledger, outside, sure, .. } = self;
        (outside.checked.saturating_sub(ledger.checked), outside.checked.saturating_sub(*sure))
    }

    fn add(&mut self, history: &History, target: &TargetLog, hurt: &Spans) -> Result<(), String> {
        let ledger = history.state.ledgers.get(&target.id).ok_or("there is no ledger")?;
        let seen = Seen::of(history, target, ledger, hurt)?;
        let recorded = ledger.ok + ledger.failed;
        self.ledger.due += ledger.expected;
        self.ledger.checked += recorded;
        self.outside.due += ledger.expected.clamp(seen.due.0, seen.due.1);
        self.outside.checked += seen.answered;
        self.sure += seen.sure;
        self.ok += ledger.ok;
        self.failed += ledger.failed;
        for (reason, slots) in &ledger.missed {
            *self.missed.entry(reason.clone()).or_default() += slots;
        }
        let wrong = offences(ledger, &seen).into_iter();
        self.offences.extend(wrong.map(|what| format!("{}: {what}", target.id)));
        Ok(())
    }
}

/// What one target saw of its slots.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// How many were due, at least and at most.
    due: (u64, u64),
    /// In how many of them it answered.
    answered: u64,
    /// In how many while nothing was hurt.
    sure: u64,
}

impl Seen {
    fn of(
        history: &History,
        target: &TargetLog,
        ledger: &Ledger,
        hurt: &Spans,
    ) -> Result<Self, String> {
        let declared = history.declared.get(&target.id).ok_or("nobody noted its declaration")?;
        let declared = (signed(declared.0), signed(declared.1));
        let to = WallTime::parse_rfc3339(&ledger.to).ok_or("its ledger has no end")?;
        let probes: Vec<i64> = target.probes.iter().map(|(at, _)| signed(*at)).collect();
        let quiet = target.probes.iter().map(|(at, _)| *at).filter(|at| !hurt.contain(*at));
        let quiet: Vec<i64> = quiet.map(signed).collect();
        let grid = Grid::of(&quiet, history.bounds.interval).ok_or("it was never checked")?;
        let window = grid.window(declared, to.0 - history.state.wall);
        let (least, most) = window.due();
        let most = most.max(least);
        let slots = window.slots(ledger.expected.clamp(least, most), grid.first_of(&probes));
        Ok(Self {
            due: (least, most),
            answered: grid.answered(&probes, &slots).len() as u64,
            sure: grid.during(quiet, &slots).len() as u64,
        })
    }
}

/// What no fault explains.
fn offences(ledger: &Ledger, seen: &Seen) -> Vec<String> {
    let (expected, recorded) = (ledger.expected, ledger.ok + ledger.failed);
    let Seen { due: (least, most), answered, sure } = seen;
    let mut wrong = Vec::new();
    if expected < *least || expected > *most {
        wrong.push(format!("the ledger has {expected} slots, the schedule {least} to {most}"));
    }
    if recorded > *answered {
        wrong.push(format!("{recorded} slots are recorded, its target answered in {answered}"));
    }
    if recorded < *sure {
        wrong.push(format!(
            "{recorded} slots are recorded, its target answered in {sure} while nothing was hurt"
        ));
    }
    let unexplained = ledger.missed.iter().filter(|(why, _)| !BY_FAULTS.contains(&why.as_str()));
    wrong.extend(unexplained.map(|(why, slots)| format!("{slots} slots are missed({why})")));
    wrong
}

fn signed(at: Moment) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Bounds, End, State};

    /// Moment 0 on the wall clock, which is a round second.
    const WALL: i64 = 1_800_000_000_000;

    /// Ten slots of a second each, due at 1.2, 2.2 s and so on, of which all were checked.
    fn well() -> History {
        let id = "http:0".to_owned();
        let probes = (1..=10).map(|n| (n * 1_000 + 203, n % 4 != 0)).collect();
        let to = WallTime(WALL + 10_900).to_string();
        let ledger = Ledger { to, expected: 10, ok: 8, failed: 2, ..Ledger::default() };
        History {
            bounds: Bounds { interval: 1_000, ..Bounds::default() },
            declared: [(id.clone(), (600, 650))].into(),
            targets: vec![TargetLog { id: id.clone(), probes, ..TargetLog::default() }],
            state: State { ledgers: [(id, ledger)].into(), wall: WALL, ..State::default() },
            ..History::default()
        }
    }

    fn ledger(history: &mut History) -> &mut Ledger {
        history.state.ledgers.get_mut("http:0").unwrap()
    }

    fn end_at(history: &mut History, at: Moment) {
        let (node, how) = ("n1".to_owned(), "killed".to_owned());
        history.ends.push(End { node, at, expected: true, how });
    }

    #[test]
    fn where_nothing_is_hurt_both_count_the_same() {
        let uptime = Uptime::of(&well());
        let all = Slots { due: 10, checked: 10 };
        assert_eq!((uptime.ledger, uptime.outside, uptime.sure), (all, all, 10));
        assert_eq!((uptime.ok, uptime.failed, uptime.taken_away()), (8, 2, (0, 0)));
        assert_eq!(uptime.offences, Vec::<String>::new());
    }

    #[test]
    fn a_slot_too_many_or_too_few_in_the_ledger_is_found() {
        for (expected, offences) in [(9, 1), (10, 0), (11, 1)] {
            let mut history = well();
            ledger(&mut history).expected = expected;
            assert_eq!(Uptime::of(&history).offences.len(), offences, "{expected}");
        }
    }

    #[test]
    fn a_check_that_no_target_answered_is_found() {
        let mut history = well();
        history.targets[0].probes.remove(5);
        let uptime = Uptime::of(&history);
        assert_eq!((uptime.offences.len(), uptime.outside.checked), (1, 9));
        assert!(uptime.offences[0].contains("answered in 9"), "{uptime:?}");
    }

    #[test]
    fn an_answer_that_is_not_recorded_is_found_unless_a_fault_explains_it() {
        let mut history = well();
        let of = ledger(&mut history);
        (of.ok, of.missed) = (7, [("takeover".to_owned(), 1)].into());
        assert_eq!(Uptime::of(&history).offences.len(), 1);
        end_at(&mut history, 5_300);
        let uptime = Uptime::of(&history);
        assert_eq!(uptime.offences, Vec::<String>::new());
        // Of the answers at 4.2 and 5.2 s either may be the one that is lacking.
        assert_eq!((uptime.taken_away(), uptime.sure), ((1, 2), 8));
        assert!((uptime.ledger.uptime() - 0.9).abs() < 1e-9);
        assert!((uptime.outside.uptime() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_slot_that_nobody_came_for_is_missed_on_both_sides() {
        let mut history = well();
        history.targets[0].probes.remove(4);
        end_at(&mut history, 5_100);
        let of = ledger(&mut history);
        (of.ok, of.missed) = (7, [("takeover".to_owned(), 1)].into());
        let uptime = Uptime::of(&history);
        assert_eq!(uptime.offences, Vec::<String>::new());
        assert_eq!(uptime.ledger, uptime.outside);
        assert_eq!(uptime.ledger, Slots { due: 10, checked: 9 });
    }

    #[test]
    fn a_reason_that_no_fault_has_is_found() {
        let mut history = well();
        let of = ledger(&mut history);
        (of.ok, of.missed) = (7, [("crashed".to_owned(), 1)].into());
        end_at(&mut history, 5_300);
        assert_eq!(Uptime::of(&history).offences, ["http:0: 1 slots are missed(crashed)"]);
    }

    #[test]
    fn what_cannot_be_counted_is_an_offence() {
        for doctor in [
            |history: &mut History| history.state.ledgers.clear(),
            |history: &mut History| history.declared.clear(),
            |history: &mut History| history.targets[0].probes.clear(),
            |history: &mut History| ledger(history).to.clear(),
        ] as [fn(&mut History); 4]
        {
            let mut history = well();
            doctor(&mut history);
            assert_eq!(Uptime::of(&history).offences.len(), 1);
        }
    }
}
