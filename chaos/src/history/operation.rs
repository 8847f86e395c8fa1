//! Operations on registers that several clients write and read at the same time.

use serde::{Deserialize, Serialize};

use super::{Moment, ReadNote, WriteNote};

/// One operation of one client on one register: a resource's label, or a maintenance window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The client.
    pub client: u64,
    /// The register.
    pub key: String,
    /// What was asked for, and what a read has shown.
    pub did: Did,
    /// When it was called, in microseconds since the run began.
    pub called: u64,
    /// When it returned, in the same; absent where its outcome is not known.
    pub returned: Option<u64>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Did {
    /// Writes a value, which no other operation on the register writes.
    Put(u64),
    /// Empties the register.
    Clear,
    /// Reads it; absent where it is empty.
    Get(Option<u64>),
}

impl Operation {
    /// A write of a resource that has one writer.
    pub(crate) fn of_write(write: &WriteNote) -> Self {
        Self {
            client: 0,
            key: write.id.clone(),
            did: Did::Put(write.version),
            called: micros(write.asked),
            returned: write.acknowledged.map(micros),
        }
    }

    /// A read of it.
    pub(crate) fn of_read(read: &ReadNote) -> Self {
        Self {
            client: 1,
            key: read.id.clone(),
            did: Did::Get(read.version),
            called: micros(read.asked),
            returned: Some(micros(read.answered)),
        }
    }
}

fn micros(at: Moment) -> u64 {
    at.saturating_mul(1_000)
}
