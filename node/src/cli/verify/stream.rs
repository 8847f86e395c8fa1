//! One shard's offsets: what came early waits, and each is passed once.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use super::{
    findings::{At, Findings},
    gap::Gap,
    told::Told,
};

/// The offsets of which a repeat in another file is compared byte for byte.
const REMEMBERED: usize = 4_096;

/// One shard's offsets.
///
/// Invariant: all below `next` was passed; nothing that waits is below it.
pub(super) struct Stream {
    /// The lowest offset in any file.
    pub(super) first: u64,
    /// The offset that is due.
    pub(super) next: u64,
    /// The last offset that is lost by a gap; 0 where there is none.
    pub(super) lost_until: u64,
    waiting: BTreeMap<u64, Told>,
    /// Gaps that reach beyond `next`, by their first offset.
    gaps: BTreeMap<u64, Gap>,
    recent: VecDeque<u64>,
}

/// An offset whose turn has come.
pub(super) enum Passed {
    /// By an event.
    Event(Told),
    /// By so many that are lost.
    Lost(u64),
}

impl Stream {
    /// A stream whose lowest offset is `first`.
    pub(super) fn new(first: u64) -> Self {
        Self {
            first,
            next: first,
            lost_until: 0,
            waiting: BTreeMap::new(),
            gaps: BTreeMap::new(),
            recent: VecDeque::new(),
        }
    }

    /// How many lines wait for others.
    pub(super) fn waits(&self) -> usize {
        self.waiting.len() + self.gaps.len()
    }

    /// Takes an event; false where another file had one at its offset.
    pub(super) fn take(&mut self, told: Told, findings: &mut Findings) -> bool {
        let twin = match told.offset < self.next {
            true => self.remembered(told.offset),
            false => self.waiting.get(&told.offset).map(|twin| twin.fingerprint),
        };
        if twin.is_some_and(|twin| twin != told.fingerprint) {
            findings.report(told.at, || differs(&told));
        }
        if twin.is_some() || told.offset < self.next {
            return false;
        }
        self.waiting.insert(told.offset, told);
        true
    }

    /// Takes a gap; false where it says nothing new. A repeat may differ in its time.
    pub(super) fn take_gap(&mut self, gap: Gap) -> bool {
        let known = self.gaps.get(&gap.from).is_some_and(|held| gap.to <= held.to);
        if known || gap.to < self.next {
            return false;
        }
        self.gaps.insert(gap.from, gap);
        true
    }

    /// Passes what is due. An event counts before a gap over it, which another file can have.
    pub(super) fn pass(&mut self) -> Option<Passed> {
        if let Some(told) = self.waiting.remove(&self.next) {
            self.remember(told.fingerprint);
            self.next += 1;
            return Some(Passed::Event(told));
        }
        let gap = self.gap_at_next()?;
        let event = self.waiting.first_key_value().map(|(offset, _)| offset - 1);
        let until = event.map_or(gap.to, |before| before.min(gap.to));
        let lost = until - self.next + 1;
        self.lost_until = until;
        self.skip_to(until + 1);
        Some(Passed::Lost(lost))
    }

    /// Goes on with the first line that waits; returns it, and what is missing before it.
    /// To be called when nothing is due.
    pub(super) fn skip_missing(&mut self) -> Option<(At, RangeInclusive<u64>)> {
        let event = self.waiting.first_key_value().map(|(offset, told)| (*offset, told.at));
        let gap = self.gaps.first_key_value().map(|(from, gap)| (*from, gap.at));
        let (offset, at) = event.into_iter().chain(gap).min_by_key(|(offset, _)| *offset)?;
        let missing = self.next..=offset - 1;
        self.skip_to(offset);
        Some((at, missing))
    }

    /// The gap that covers the offset that is due; those that were passed are forgotten.
    fn gap_at_next(&mut self) -> Option<Gap> {
        while let Some(entry) = self.gaps.first_entry().filter(|entry| *entry.key() <= self.next) {
            if entry.get().to >= self.next {
                return Some(*entry.get());
            }
            entry.remove();
        }
        None
    }

    fn skip_to(&mut self, offset: u64) {
        self.next = offset;
        self.recent.clear();
    }

    /// The fingerprints of the last events of which none is missing between them.
    fn remember(&mut self, fingerprint: u64) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(fingerprint);
    }

    /// The fingerprint of an event that was passed; nothing where that is too long ago.
    fn remembered(&self, offset: u64) -> Option<u64> {
        let back = usize::try_from(self.next - offset).ok()?;
        self.recent.len().checked_sub(back).map(|at| self.recent[at])
    }
}

fn differs(told: &Told) -> String {
    format!(
        "is another event at offset {} of shard {} than in another file",
        told.offset, told.stream.shard
    )
}
