//! What a sink holds of a shard, read from the place that the cursor names.

use std::collections::BTreeMap;

use crate::Offset;

/// The most spans beyond a hole that are remembered. What is forgotten is sent again.
const MOST_BEYOND: usize = 65_536;

/// The offsets that a message stands for: of an event one, of a gap all that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Offset,
    /// The last, which is not below it.
    pub last: Offset,
}

impl Span {
    /// That of an event.
    #[must_use]
    pub fn of(offset: Offset) -> Self {
        Self { first: offset, last: offset }
    }
}

/// Reads a sink's messages in the order in which it holds them, and tells how far they reach
/// without a hole.
#[derive(Debug, Clone)]
pub struct Tail<P> {
    epoch: u64,
    /// Everything up to here is held; unknown until the first message where nobody vouches for it.
    held: Option<Offset>,
    /// No message beyond this one can be the first.
    first_by: Offset,
    /// The message that brought it there.
    position: Option<P>,
    /// What stands beyond a hole: first and last offsets.
    beyond: BTreeMap<Offset, Offset>,
}

impl<P> Tail<P> {
    /// Counts from a cursor on, which vouches for everything up to its offset.
    #[must_use]
    pub fn after(epoch: u64, offset: Offset, position: Option<P>) -> Self {
        let first_by = offset.next();
        Self { epoch, held: Some(offset), first_by, position, beyond: BTreeMap::new() }
    }

    /// Counts from whatever comes first, where that is not beyond what was acknowledged: what stood
    /// before it was taken away once it had been consumed, because a sink that loses something loses
    /// its end.
    #[must_use]
    pub fn whole(epoch: u64, acknowledged: Offset) -> Self {
        let first_by = acknowledged.next();
        Self { epoch, held: None, first_by, position: None, beyond: BTreeMap::new() }
    }

    /// The next message. One of another epoch of the sink's does not count (SEMANTICS 10).
    pub fn take(&mut self, epoch: u64, span: Span, position: P) {
        if epoch != self.epoch {
            return;
        }
        if self.held.is_none() && span.first <= self.first_by {
            self.held = Some(Offset(span.first.0.saturating_sub(1)));
        }
        let Some(held) = self.held else { return self.put_by(span) };
        if span.first > held.next() {
            self.put_by(span);
        } else if span.last > held {
            self.held = Some(self.beyond_from(span.last));
            self.position = Some(position);
        }
    }

    /// Everything up to this offset is held, and where its last message is; `None` where there
    /// was nothing to count.
    #[must_use]
    pub fn held(self) -> Option<(Offset, Option<P>)> {
        Some((self.held?, self.position))
    }

    fn put_by(&mut self, span: Span) {
        let last = self.beyond.entry(span.first).or_insert(span.last);
        *last = span.last.max(*last);
        if self.beyond.len() > MOST_BEYOND {
            self.beyond.pop_last();
        }
    }

    /// How far it reaches from here, with what was put by.
    fn beyond_from(&mut self, mut held: Offset) -> Offset {
        while let Some(next) = self.beyond.first_entry().filter(|next| *next.key() <= held.next()) {
            held = held.max(next.remove());
        }
        held
    }
}
