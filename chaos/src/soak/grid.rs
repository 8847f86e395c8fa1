//! The slots of one target, as arithmetic from outside: which were due, and which were answered.
//!
//! From a declaration on there is one slot an interval (SEMANTICS 6; an interval of at most ten
//! seconds has no early first slot, see decision 3). Where in the interval, no node is asked for:
//! the probes tell, which come a moment after their slots are due.

use std::{collections::BTreeSet, ops::Range};

use crate::history::Moment;

/// How far clocks and rhythms are trusted, in ms: what is due so close to an end of a window may lie
/// on either side of it.
const APART: i64 = 100;
/// By how much a probe may come earlier than the rhythm that was found, in ms: a probe is never
/// early, but the rhythm is that of probes that were a little late.
const EARLY: i64 = 50;
/// A probe that begins when its slot is all but over arrives so much later at most, in ms.
const LATE: i64 = 500;

/// When slots are due. Numbers of slots are relative, and may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// A moment at which one is due.
    anchor: i64,
    interval: i64,
}

impl Grid {
    /// The rhythm of probes that came while nothing was hurt; absent where there are none. Of how
    /// late they are the first tenth counts, so that it does not matter who was held up.
    pub(super) fn of(quiet: &[i64], interval: Moment) -> Option<Self> {
        let interval = i64::try_from(interval).ok().filter(|interval| *interval > 0)?;
        let one = *quiet.get(quiet.len() / 2)?;
        let half = interval / 2;
        let off = |at: &i64| (at - one + half).rem_euclid(interval) - half;
        let mut offs: Vec<i64> = quiet.iter().map(off).collect();
        offs.sort_unstable();
        Some(Self { anchor: one + offs[offs.len() / 10], interval })
    }

    /// The slot that is under way at a moment.
    fn slot(&self, at: i64) -> i64 {
        (at - self.anchor + EARLY).div_euclid(self.interval)
    }

    fn due(&self, slot: i64) -> i64 {
        self.anchor + slot * self.interval
    }

    /// The first slot that is due at or after a moment.
    fn first_from(&self, at: i64) -> i64 {
        -(self.anchor - at).div_euclid(self.interval)
    }

    /// The slots between a declaration, which took effect between two moments, and an end.
    pub(super) fn window(&self, (asked, acknowledged): (i64, i64), end: i64) -> Window {
        Window {
            first: (self.first_from(asked - APART), self.first_from(acknowledged + APART)),
            end: (self.first_from(end - APART), self.first_from(end + APART)),
        }
    }

    /// Those of `slots` during which one of these probes came.
    pub(super) fn during(
        &self,
        probes: impl IntoIterator<Item = i64>,
        slots: &Range<i64>,
    ) -> BTreeSet<i64> {
        let numbers = probes.into_iter().map(|at| self.slot(at));
        numbers.filter(|slot| slots.contains(slot)).collect()
    }

    /// As many of `slots` as these probes, in order of time, may have been for: where two came
    /// during one slot, the first of them may be a late one of the slot before.
    pub(super) fn answered(&self, probes: &[i64], slots: &Range<i64>) -> BTreeSet<i64> {
        let mut answered = self.during(probes.iter().copied(), slots);
        for pair in probes.windows(2) {
            let slot = self.slot(pair[0]);
            let late = self.slot(pair[1]) == slot && pair[0] - self.due(slot) <= LATE;
            if late && slots.contains(&(slot - 1)) {
                answered.insert(slot - 1);
            }
        }
        answered
    }

    /// The slot that the first of these probes came in.
    pub(super) fn first_of(&self, probes: &[i64]) -> Option<i64> {
        probes.first().map(|at| self.slot(*at))
    }
}

/// The slots of a window: the first of them, and the first after it; each at least, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    first: (i64, i64),
    end: (i64, i64),
}

impl Window {
    /// How many slots were due, at least and at most. Both are the same unless one was due at an
    /// end of the window.
    pub(super) fn due(&self) -> (u64, u64) {
        let count = |first: i64, end: i64| u64::try_from(end - first).unwrap_or(0);
        (count(self.first.1, self.end.0), count(self.first.0, self.end.1))
    }

    /// The slots. Whether one belongs to them that was due at an end of the window, its probe tells
    /// at the begin, and how many there are at the end.
    pub(super) fn slots(&self, count: u64, first_probe: Option<i64>) -> Range<i64> {
        let early = first_probe.filter(|slot| (self.first.0..self.first.1).contains(slot));
        let first = early.unwrap_or(self.first.1);
        let end = first.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        first..end.clamp(self.end.0, self.end.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: i64 = 10_000;

    /// A rhythm whose slots are due at 3, 13, 23 s and so on.
    fn grid() -> Grid {
        Grid { anchor: 3_000, interval: INTERVAL }
    }

    #[test]
    fn the_rhythm_is_that_of_most_probes_wherever_in_the_interval_it_lies() {
        for anchor in [0, 4_999, 5_001, 9_999] {
            let quiet: Vec<i64> = (0..40).map(|n| anchor + n * INTERVAL + n % 7).collect();
            let found = Grid::of(&quiet, 10_000).unwrap();
            assert_eq!((found.anchor - anchor).rem_euclid(INTERVAL), 0, "{anchor}");
        }
        // One in five late by 4 s.
        let late = |n: i64| if n % 5 == 0 { 4_000 } else { 5 };
        let quiet: Vec<i64> = (0..40).map(|n| n * INTERVAL + late(n)).collect();
        let found = Grid::of(&quiet, 10_000).unwrap();
        assert_eq!(found.anchor.rem_euclid(INTERVAL), 5);
        assert_eq!(Grid::of(&[], 10_000), None);
        assert_eq!(Grid::of(&[1], 0), None);
    }

    #[test]
    fn as_many_slots_are_due_as_there_are_between_declaration_and_end() {
        for (declared, end, due) in [
            ((500, 600), 3_500, (1, 1)),
            ((500, 600), 32_000, (3, 3)),
            ((3_500, 3_900), 32_000, (2, 2)),
            ((3_500, 3_900), 12_000, (0, 0)),
            // It took effect before or after the first was due.
            ((2_990, 3_010), 32_000, (2, 3)),
            ((500, 600), 33_050, (3, 4)),
            ((500, 600), 32_950, (3, 4)),
            ((500, 600), 33_101, (4, 4)),
        ] {
            assert_eq!(grid().window(declared, end).due(), due, "{declared:?} {end}");
        }
    }

    #[test]
    fn what_is_due_at_an_end_belongs_to_the_window_or_not() {
        let begin = grid().window((2_990, 3_010), 32_000);
        assert_eq!(begin.slots(3, Some(0)), 0..3);
        assert_eq!(begin.slots(2, Some(1)), 1..3);
        let end = grid().window((500, 600), 33_050);
        assert_eq!((end.slots(3, Some(0)), end.slots(4, Some(0))), (0..3, 0..4));
        // What is not recorded does not change what was due.
        assert_eq!((end.slots(9, Some(0)), end.slots(0, Some(0))), (0..4, 0..3));
    }

    #[test]
    fn a_slot_is_answered_once_and_a_late_probe_beside_another_is_for_the_slot_before() {
        let check = |probes: &[i64], slots: &[i64]| {
            let found: Vec<i64> = grid().answered(probes, &(0..5)).into_iter().collect();
            assert_eq!(found, slots, "{probes:?}");
        };
        check(&[3_002, 13_001, 22_990, 33_004, 43_000], &[0, 1, 2, 3, 4]);
        // A repeat, a gap, and what came after the end.
        check(&[3_002, 5_100, 23_001, 53_002], &[0, 2]);
        // Late in its slot, and too late by a moment.
        check(&[12_900, 13_003], &[0, 1]);
        check(&[3_001, 23_005, 23_010, 33_001], &[0, 1, 2, 3]);
        check(&[3_001, 25_005, 25_010, 33_001], &[0, 2, 3]);
        let during = grid().during([3_001, 23_005, 23_010], &(0..5));
        assert_eq!(during.into_iter().collect::<Vec<_>>(), [0, 2]);
    }
}
