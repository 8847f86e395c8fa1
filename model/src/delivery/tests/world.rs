//! What is replicated: the outbox and the sink's cursor.

use super::{Offset, sink::Position};

/// The cursor as replicated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    pub(super) epoch: u64,
    pub(super) offset: Offset,
    pub(super) position: Option<Position>,
}

/// The state of a shard, as far as publishing goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Shard {
    /// What each event says, from offset 1 on.
    outbox: Vec<u64>,
    /// Up to here retention has taken events.
    pub(super) taken: Offset,
    pub(super) cursor: Cursor,
}

impl Shard {
    pub(super) fn head(&self) -> Offset {
        Offset(self.outbox.len() as u64)
    }

    pub(super) fn commit(&mut self, says: u64) {
        self.outbox.push(says);
    }

    /// What an event said when it was decided.
    pub(super) fn said(&self, offset: Offset) -> Option<u64> {
        let place = usize::try_from(offset.0.checked_sub(1)?).ok()?;
        self.outbox.get(place).copied()
    }
}
