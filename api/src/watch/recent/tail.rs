//! The end of a long list, which many read at about the same pace.
//!
//! Invariant: a tail holds everything between its ends that a reader at its beginning is to have.

use std::collections::VecDeque;

use model::cursor::Position;

/// A reader that is further behind reads for itself: the store has but the last of the
/// measurements of each row.
pub(super) const MOST_ITEMS: usize = 64;
/// What the items may take.
pub(super) const MOST_BYTES: usize = 256 * 1024;

/// What a tail holds.
pub(super) trait Item: Clone {
    /// What is to be bounded of it. It may grow while it is held: what nobody has asked for yet is
    /// not written.
    fn bytes(&self) -> usize;
}

/// Some of the list, in order.
#[derive(Debug)]
pub(in crate::watch) struct Page<T> {
    /// Each with its position.
    pub(in crate::watch) items: Vec<(Position, T)>,
    /// Everything up to here is in this page or before it.
    pub(in crate::watch) upto: Position,
    /// Whether there are more.
    pub(in crate::watch) more: bool,
}

/// What lies after `from`, up to `upto`.
#[derive(Debug)]
pub(super) struct Tail<T> {
    from: Position,
    upto: Position,
    items: VecDeque<(Position, T)>,
}

impl<T> Default for Tail<T> {
    fn default() -> Self {
        Self::at(Position::default())
    }
}

impl<T> Tail<T> {
    fn at(position: Position) -> Self {
        Self { from: position, upto: position, items: VecDeque::new() }
    }
}

impl<T: Item> Tail<T> {
    /// What lies after a position, read on where the list has grown up to `end` since; `None`
    /// where it is older than this tail.
    pub(super) fn after<E>(
        &mut self,
        position: Position,
        end: Position,
        read: impl Fn(Position) -> Result<Page<T>, E>,
    ) -> Result<Option<Page<T>>, E> {
        if position < self.from {
            return Ok(None);
        }
        if position > self.upto {
            // Nobody has read what lies between; whoever wants it reads for itself.
            *self = Self::at(position);
        }
        let behind = self.upto < end;
        let more = behind && self.take_in(read(self.upto)?);
        let first = self.items.partition_point(|(at, _)| *at <= position);
        let items = self.items.range(first..).cloned().collect();
        if behind {
            self.shorten();
        }
        Ok(Some(Page { items, upto: self.upto, more }))
    }

    /// Says whether there are more.
    fn take_in(&mut self, page: Page<T>) -> bool {
        self.items.extend(page.items);
        self.upto = self.upto.max(page.upto);
        page.more
    }

    fn shorten(&mut self) {
        let mut bytes: usize = self.items.iter().map(|(_, item)| item.bytes()).sum();
        while self.items.len() > MOST_ITEMS || bytes > MOST_BYTES {
            let Some((at, oldest)) = self.items.pop_front() else { return };
            self.from = at;
            // It may have grown since it was counted.
            bytes = bytes.saturating_sub(oldest.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 5;

    impl Item for u64 {
        fn bytes(&self) -> usize {
            MOST_BYTES / 8
        }
    }

    fn at(index: u64) -> Position {
        Position { index, place: 0 }
    }

    fn end(index: u64) -> Position {
        Position { index, place: u32::MAX }
    }

    /// A list with an item at each index; a third of the indices have none.
    fn list(upto: u64) -> impl Iterator<Item = u64> {
        (1..=upto).filter(|index| index % 3 != 0)
    }

    fn read(after: Position, length: u64) -> Page<u64> {
        let mut items: Vec<_> =
            list(length).map(|index| (at(index), index)).filter(|(p, _)| *p > after).collect();
        let more = items.len() > PAGE;
        items.truncate(PAGE);
        let last = items.last().filter(|_| more).map(|(position, _)| *position);
        Page { items, upto: last.unwrap_or_else(|| end(length).max(after)), more }
    }

    /// Reads as a watch does: until it is told that there is no more.
    fn drain(tail: &mut Tail<u64>, place: &mut Position, length: u64) -> Vec<u64> {
        let mut found = Vec::new();
        loop {
            let page = tail.after(*place, end(length), |p| Ok::<_, ()>(read(p, length))).unwrap();
            let page = page.unwrap_or_else(|| read(*place, length));
            found.extend(page.items.iter().map(|(_, item)| *item));
            *place = page.upto.max(*place);
            if !page.more {
                return found;
            }
        }
    }

    proptest! {
        #[test]
        fn every_reader_has_everything_once_and_in_order(
            starts in prop::collection::vec(0u64..40, 1..5),
            steps in prop::collection::vec((0usize..5, 0u64..9), 1..60),
        ) {
            let mut tail = Tail::default();
            let mut length = 40;
            let mut readers: Vec<_> =
                starts.iter().map(|start| (*start, end(*start), Vec::new())).collect();
            for (reader, grown) in steps {
                length += grown;
                let count = readers.len();
                let (_, place, found) = &mut readers[reader % count];
                found.extend(drain(&mut tail, place, length));
            }
            for (start, mut place, mut found) in readers {
                found.extend(drain(&mut tail, &mut place, length));
                let expected: Vec<u64> = list(length).filter(|index| *index > start).collect();
                prop_assert_eq!(found, expected);
            }
            prop_assert!(tail.items.len() <= 8, "bounded by bytes: {}", tail.items.len());
        }
    }

    /// Whose text is written by another reader, in the middle of it.
    #[derive(Clone)]
    struct Growing(Rc<Cell<usize>>);

    impl Item for Growing {
        fn bytes(&self) -> usize {
            self.0.replace(MOST_BYTES)
        }
    }

    #[test]
    fn what_grows_while_it_is_counted_is_dropped_and_never_missed() {
        let growing = || Growing(Rc::new(Cell::new(0)));
        let all = |length: u64| (1..=length).map(|index| (at(index), growing())).collect();
        let read = |_| Ok::<_, ()>(Page { items: all(100), upto: end(100), more: false });
        let mut tail = Tail::default();
        tail.after(at(0), end(100), read).unwrap();
        let first = tail.items.front().map_or(101, |(at, _)| at.index);
        assert_eq!(tail.from, at(first - 1), "what is gone is not claimed");
    }

    #[test]
    fn what_one_has_read_the_next_need_not_read() {
        let reads = Cell::new(0);
        let mut tail = Tail::default();
        for _ in 0..100 {
            let page = tail.after(at(2), end(4), |position| {
                reads.set(reads.get() + 1);
                Ok::<_, ()>(read(position, 4))
            });
            assert_eq!(page.unwrap().unwrap().items, [(at(4), 4)]);
        }
        assert_eq!(reads.get(), 1);
    }
}
