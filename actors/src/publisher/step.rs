//! What to do with a page of the outbox: pure, so that every case can be shown.

use model::{Offset, ShardId, WallTime};
use raft::OutboxPage;

use crate::sink::{Batch, Gap};

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The sink has everything.
    Wait,
    /// Hand this over.
    Send(Batch),
    /// The sink holds more than was ever decided: the shard has lost what it had acknowledged.
    Ahead,
    /// Events that should be kept are not there.
    Missing,
}

/// Decides by the offset that the sink has acknowledged and the page after it.
pub(super) fn next(shard: ShardId, after: Offset, now: WallTime, page: OutboxPage) -> Step {
    if after > page.head {
        return Step::Ahead;
    }
    if after == page.head {
        return Step::Wait;
    }
    let mut events = page.events;
    let first = events.first().map_or(page.floor, |event| event.offset);
    let gap = (first > after.next()).then(|| Gap {
        from: after.next(),
        to: Offset(first.0 - 1),
        time: now,
    });
    let contiguous = (first.0..).zip(&events).take_while(|(n, event)| event.offset.0 == *n).count();
    events.truncate(contiguous);
    if gap.is_none() && events.is_empty() {
        return Step::Missing;
    }
    Step::Send(Batch { shard, gap, events })
}
