//! When the slots of a resource are due: arithmetic, so that the ledger can be checked.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Millis, ResourceId, ShardTime};

/// The first slot of an epoch is due within this time, even where the interval is long, so
/// that nobody waits an hour for the first word on a new resource.
const FIRST_WITHIN: Millis = Millis::from_secs(10);

/// A schedule that holds until the interval changes (SEMANTICS 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Which epoch of its incarnation, from 0.
    pub number: u32,
    /// When it began.
    pub start: ShardTime,
    /// Between two slots.
    pub interval: Millis,
    /// This resource's place within the interval, so that a fleet is spread evenly.
    pub phase: Millis,
}

impl Epoch {
    /// The epoch of a resource that begins at `start`. The phase follows from the id alone.
    #[must_use]
    pub fn new(number: u32, start: ShardTime, interval: Millis, id: &ResourceId) -> Self {
        let interval = Millis(interval.0.max(1));
        let phase = Millis(xxh3_64(id.as_str().as_bytes()) % interval.0);
        Self { number, start, interval, phase }
    }

    /// When slot `slot` is due.
    #[must_use]
    pub fn due(&self, slot: u64) -> ShardTime {
        let regular = |n: u64| self.start.plus(self.phase).plus(self.interval.times(n));
        if !self.starts_early() {
            regular(slot)
        } else if slot == 0 {
            self.start.plus(self.early_phase())
        } else {
            regular(slot - 1)
        }
    }

    /// The first slot that is due at or after `time`.
    #[must_use]
    pub fn first_at_or_after(&self, time: ShardTime) -> u64 {
        if time <= self.due(0) {
            return 0;
        }
        let base = self.start.plus(self.phase);
        let regular = time.since(base).0.div_ceil(self.interval.0);
        regular + u64::from(self.starts_early())
    }

    /// The latest slot that is due at `now`.
    #[must_use]
    pub fn current(&self, now: ShardTime) -> Option<u64> {
        self.first_at_or_after(ShardTime(now.0.saturating_add(1))).checked_sub(1)
    }

    /// How many slots are due in `from <= due < to`.
    #[must_use]
    pub fn slots_between(&self, from: ShardTime, to: ShardTime) -> u64 {
        self.first_at_or_after(to).saturating_sub(self.first_at_or_after(from))
    }

    /// Whether slot 0 comes before the regular grid, because the grid starts late.
    fn starts_early(&self) -> bool {
        self.phase >= FIRST_WITHIN
    }

    fn early_phase(&self) -> Millis {
        Millis(self.phase.0 % FIRST_WITHIN.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_epoch() -> impl Strategy<Value = Epoch> {
        (0u64..1_000_000, 1u64..4_000_000, "[a-z]{1,12}").prop_map(|(start, interval, id)| {
            Epoch::new(0, ShardTime(start), Millis(interval), &id.parse().unwrap())
        })
    }

    proptest! {
        #[test]
        fn semantics_6_slots_are_due_in_order_and_at_most_an_interval_apart(epoch in any_epoch()) {
            prop_assert!(epoch.due(0).since(epoch.start) <= epoch.interval.min(FIRST_WITHIN));
            for slot in 0..5 {
                let gap = epoch.due(slot + 1).since(epoch.due(slot));
                prop_assert!(gap.0 > 0 && gap <= epoch.interval);
            }
        }

        #[test]
        fn semantics_7_counting_slots_agrees_with_listing_them(
            epoch in any_epoch(), a in 0u64..9_000_000, b in 0u64..9_000_000,
        ) {
            let (from, to) = (ShardTime(a.min(b)), ShardTime(a.max(b)));
            let count = epoch.slots_between(from, to);
            prop_assume!(count < 2_000);
            let first = epoch.first_at_or_after(from);
            prop_assert!(first == 0 || epoch.due(first - 1) < from);
            prop_assert!(epoch.due(first) >= from);
            let listed = (first..).take_while(|slot| epoch.due(*slot) < to).count() as u64;
            prop_assert_eq!(count, listed);
        }

        #[test]
        fn the_current_slot_is_the_latest_that_is_due(epoch in any_epoch(), now in 0u64..9_000_000) {
            match epoch.current(ShardTime(now)) {
                None => prop_assert!(epoch.due(0).0 > now),
                Some(slot) => {
                    prop_assert!(epoch.due(slot).0 <= now);
                    prop_assert!(epoch.due(slot + 1).0 > now);
                }
            }
        }
    }
}
