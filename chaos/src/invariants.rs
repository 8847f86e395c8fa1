//! What must hold whatever happens: one file per invariant, by the letters of the fault matrix.
//!
//! Invariant: a check reads a history and nothing else, and each has a unit test that shows that
//! it fails on a doctored one. What could not be judged is told with the reason, never as held.

mod acknowledged;
mod agreement;
mod blame;
mod bounded;
mod corruption;
mod delivered;
mod events;
#[cfg(test)]
mod fixture;
mod gap;
mod linear;
mod minority;
mod poller;
mod porcupine;
mod spared;
mod timers;

use serde::{Deserialize, Serialize};

use crate::history::History;

pub(crate) use poller::{IN_THE_SOCKET, UNTIL_IT_KNOWS};

/// One invariant.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its letter in the fault matrix.
    pub letter: char,
    /// What it says, for people.
    pub says: &'static str,
    /// Judges a history by it.
    pub check: fn(&History) -> Judgement,
}

/// What an invariant says of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What breaks it, in words.
    pub broken: Vec<String>,
    /// Why it could not be judged in full: then it is not held, whatever was found.
    pub not_judged: Option<String>,
}

impl Judgement {
    /// Whether it was judged in full, and nothing breaks it.
    #[must_use]
    pub fn held(&self) -> bool {
        self.broken.is_empty() && self.not_judged.is_none()
    }
}

impl From<Vec<String>> for Judgement {
    fn from(broken: Vec<String>) -> Self {
        Self { broken, not_judged: None }
    }
}

/// All invariants, in the order of the matrix, and what its row 26 asks for.
pub const ALL: [Invariant; 11] = [
    Invariant {
        letter: 'A',
        says: "no acknowledged write is lost",
        check: |history| acknowledged::violations(history).into(),
    },
    Invariant {
        letter: 'E',
        says: "events are gapless, ordered and unique",
        check: |history| events::violations(history).into(),
    },
    Invariant {
        letter: 'P',
        says: "one accepted result per slot, and the ledger adds up",
        check: |history| poller::violations(history).into(),
    },
    Invariant { letter: 'L', says: "linearizable reads are linearizable", check: linear::judge },
    Invariant {
        letter: 'G',
        says: "checks are never further apart than their interval and a bound",
        check: |history| gap::violations(history).into(),
    },
    Invariant {
        letter: 'C',
        says: "what is shown is what the targets are, once all is healed",
        check: |history| agreement::violations(history).into(),
    },
    Invariant {
        letter: 'D',
        says: "damage is found and never served",
        check: |history| corruption::violations(history).into(),
    },
    Invariant {
        letter: 'M',
        says: "memory is bounded and nothing ends by itself",
        check: |history| bounded::violations(history).into(),
    },
    Invariant {
        letter: 'U',
        says: "the monitor's own fault is never the target's",
        check: |history| blame::violations(history).into(),
    },
    Invariant {
        letter: 'T',
        says: "a consumer of the topic has every event, in order, each once",
        check: delivered::judge,
    },
    Invariant {
        letter: 'S',
        says: "load or a move of one shard costs the writes of others at most a fifth",
        check: spared::judge,
    },
];

/// Those with these letters, in the order of the matrix.
#[must_use]
pub fn select(letters: &str) -> Vec<Invariant> {
    ALL.into_iter().filter(|invariant| letters.contains(invariant.letter)).collect()
}
