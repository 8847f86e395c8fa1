//! What is replicated: the outbox and the sink's cursor, which proposals change.

use std::collections::BTreeMap;

use super::{Bug, Change, Offset, Outdated, SinkCursor, sink::Position};

pub(super) type Cursor = SinkCursor<Position>;

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

/// What has become of a proposal, as the cursor was right after it.
pub(super) type Landing = Result<Cursor, Outdated>;

/// Changes of the cursor under way: they land late, in any order, and whoever proposed them may have
/// stopped waiting.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    number: u64,
    pending: BTreeMap<u64, Change<Position>>,
    landed: BTreeMap<u64, Landing>,
}

impl Proposals {
    pub(super) fn propose(&mut self, change: Change<Position>) -> u64 {
        self.number += 1;
        self.pending.insert(self.number, change);
        self.number
    }

    pub(super) fn outcome(&mut self, number: u64) -> Option<Landing> {
        self.landed.remove(&number)
    }

    pub(super) fn is_pending(&self, number: u64) -> bool {
        self.pending.contains_key(&number)
    }

    pub(super) fn pending(&self) -> Vec<u64> {
        self.pending.keys().copied().collect()
    }

    /// One of them takes effect, or turns out to be outdated.
    pub(super) fn land(&mut self, number: u64, shard: &mut Shard, bug: Option<Bug>) {
        let Some(change) = self.pending.remove(&number) else { return };
        let cursor = &mut shard.cursor;
        let changed = match (bug, &change) {
            (Some(Bug::NoFence), Change::Tell { offset, position, .. }) => {
                (cursor.offset, cursor.position) = (*offset, *position);
                Ok(())
            }
            _ => cursor.change(change),
        };
        self.landed.insert(number, changed.map(|()| cursor.clone()));
    }
}
