//! All that is random, from one seed for each thread. Where none was given, it is the system's.

use std::{cell::RefCell, ops::Range};

use rand::{RngExt, SeedableRng, rngs::StdRng};

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// From here on everything on this thread follows from the seed.
pub(super) fn seed(seed: u64) {
    SEEDED.set(Some(StdRng::seed_from_u64(seed)));
}

pub(super) fn forget() {
    SEEDED.set(None);
}

/// A number of a range.
pub(crate) fn chance(range: Range<u64>) -> u64 {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(random) => random.random_range(range),
        None => rand::random_range(range),
    })
}
