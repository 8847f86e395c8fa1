//! Reads the sink in order and drops what it has seen: what the promise is made to.

use std::collections::BTreeMap;

use super::{
    Offset,
    sink::{Position, Record, Sink},
};

#[derive(Debug, Default)]
pub(super) struct Consumer {
    position: Option<Position>,
    /// What each event said, by offset.
    seen: BTreeMap<Offset, u64>,
    /// Offsets that gaps stood for.
    gaps: Vec<(Offset, Offset)>,
    /// A gap for what was still kept.
    pub(super) false_gap: Option<Offset>,
    latest: Offset,
    /// Events that came after a later one.
    pub(super) late: Vec<Offset>,
}

impl Consumer {
    /// Takes the next message, where there is one.
    pub(super) fn step(&mut self, sink: &Sink, taken: Offset) -> bool {
        let Some(Record { position, message }) = sink.after(self.position) else { return false };
        self.position = Some(position);
        let Some(says) = message.says else {
            let (first, last) = (message.span.first, message.span.last);
            self.gaps.push((first, last));
            self.latest = self.latest.max(last);
            if last > taken {
                self.false_gap = Some(last);
            }
            return true;
        };
        let offset = message.span.first;
        if self.seen.contains_key(&offset) {
            return true;
        }
        self.seen.insert(offset, says);
        if offset < self.latest {
            self.late.push(offset);
        }
        self.latest = self.latest.max(offset);
        true
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The last event that it was told of.
    pub(super) fn last(&self) -> Offset {
        self.seen.keys().next_back().copied().unwrap_or_default()
    }

    pub(super) fn saw(&self, offset: Offset) -> Option<u64> {
        self.seen.get(&offset).copied()
    }

    pub(super) fn has(&self, offset: Offset) -> bool {
        let in_gap = |(first, last): &(Offset, Offset)| *first <= offset && offset <= *last;
        self.seen.contains_key(&offset) || self.gaps.iter().any(in_gap)
    }
}
