//! What must hold whatever happens: one file per invariant, by the letters of the fault matrix.
//!
//! Invariant: a check reads a history and nothing else, and each has a unit test that shows that
//! it fails on a doctored one.

mod acknowledged;
mod agreement;
mod blame;
mod bounded;
mod corruption;
mod events;
#[cfg(test)]
mod fixture;
mod gap;
mod linear;
mod minority;
mod poller;
mod timers;

use crate::history::History;

/// One invariant.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its letter in the fault matrix.
    pub letter: char,
    /// What it says, for people.
    pub says: &'static str,
    /// What breaks it, in words; empty where it holds.
    pub check: fn(&History) -> Vec<String>,
}

/// All invariants, in the order of the matrix.
pub const ALL: [Invariant; 9] = [
    Invariant {
        letter: 'A',
        says: "no acknowledged write is lost",
        check: acknowledged::violations,
    },
    Invariant {
        letter: 'E',
        says: "events are gapless, ordered and unique",
        check: events::violations,
    },
    Invariant {
        letter: 'P',
        says: "one accepted result per slot, and the ledger adds up",
        check: poller::violations,
    },
    Invariant {
        letter: 'L',
        says: "linearizable reads are linearizable",
        check: linear::violations,
    },
    Invariant {
        letter: 'G',
        says: "checks are never further apart than their interval and a bound",
        check: gap::violations,
    },
    Invariant {
        letter: 'C',
        says: "what is shown is what the targets are, once all is healed",
        check: agreement::violations,
    },
    Invariant {
        letter: 'D',
        says: "damage is found and never served",
        check: corruption::violations,
    },
    Invariant {
        letter: 'M',
        says: "memory is bounded and nothing ends by itself",
        check: bounded::violations,
    },
    Invariant {
        letter: 'U',
        says: "the monitor's own fault is never the target's",
        check: blame::violations,
    },
];

/// Those with these letters, in the order of the matrix.
#[must_use]
pub fn select(letters: &str) -> Vec<Invariant> {
    ALL.into_iter().filter(|invariant| letters.contains(invariant.letter)).collect()
}
