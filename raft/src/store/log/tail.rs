//! The end of a log, decoded: apply reads every entry once more right after it was written.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeBounds},
};

use openraft::EntryPayload;

use crate::{
    command::Command,
    types::{Entry, LogId},
};

/// Entries that are durable are kept up to this number.
const KEPT: usize = 256;
/// And up to this weight, about as many commands: entries differ by a factor of a thousand.
const KEPT_WEIGHT: usize = 1_024;
/// Moments of receipt are kept of so many commands: of all that may be cut off again, and one.
const RECEIPTS: usize = 1_024;
/// A document weighs one for so many bytes.
const DOCUMENT_UNIT: usize = 512;

/// Invariant: `entries` has no hole, and holds at least everything after `durable`.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) durable: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
    /// Of all entries together.
    weight: usize,
    /// When the latest commands came, by their index.
    received: BTreeMap<u64, u64>,
}

impl Tail {
    pub(super) fn new(purged: Option<LogId>, last: Option<LogId>) -> Self {
        let (entries, received) = (BTreeMap::new(), BTreeMap::new());
        Self { purged, last, durable: last, entries, weight: 0, received }
    }

    /// Adds an entry that came when the boot clock showed `now`.
    pub(super) fn push(&mut self, entry: Entry, now: u64) {
        if matches!(entry.payload, EntryPayload::Normal(_)) {
            self.received.insert(entry.log_id.index, now);
            while self.received.len() > RECEIPTS {
                self.received.pop_first();
            }
        }
        self.last = Some(entry.log_id);
        self.weight += weight(&entry);
        self.entries.insert(entry.log_id.index, entry);
        self.evict();
    }

    pub(super) fn became_durable(&mut self, upto: LogId) {
        // A truncation may have overtaken the append.
        if self.last >= Some(upto) {
            self.durable = self.durable.max(Some(upto));
        }
        self.evict();
    }

    /// When the last command at or before an index came; none where that was before this start.
    pub(super) fn received(&self, upto: u64) -> Option<u64> {
        self.received.range(..=upto).next_back().map(|(_, at)| *at)
    }

    pub(super) fn truncate(&mut self, last: Option<LogId>) {
        self.received.split_off(&last.map_or(0, |id| id.index + 1));
        self.entries.split_off(&last.map_or(0, |id| id.index + 1));
        self.weigh();
        self.last = self.last.min(last.max(self.purged));
        self.durable = self.durable.min(self.last);
    }

    /// Forgets entries that a snapshot stands for, one of this replica's own or, where it goes
    /// beyond the end, one that came when the boot clock showed `now` and is durable.
    pub(super) fn purge(&mut self, upto: LogId, now: u64) {
        if self.last < Some(upto) {
            self.received = BTreeMap::from([(upto.index, now)]);
            self.durable = Some(upto);
        }
        self.entries = self.entries.split_off(&(upto.index + 1));
        self.weigh();
        self.purged = self.purged.max(Some(upto));
        self.last = self.last.max(Some(upto));
    }

    /// The entries `from <= index < to` that are here, and where they begin: what exists before
    /// that is durable and has to be read.
    pub(super) fn get(&self, from: u64, to: u64) -> (u64, Vec<Entry>) {
        let first = self.entries.first_key_value().map_or(to, |(first, _)| *first);
        let from = first.clamp(from, to.max(from));
        (from, self.entries.range(from..to.max(from)).map(|(_, e)| e.clone()).collect())
    }

    fn evict(&mut self) {
        let Some(durable) = self.durable else { return };
        while self.entries.len() > KEPT || self.weight > KEPT_WEIGHT {
            let first = self.entries.first_entry().filter(|first| *first.key() <= durable.index);
            let Some(first) = first else { return };
            self.weight -= weight(&first.remove());
        }
    }

    fn weigh(&mut self) {
        self.weight = self.entries.values().map(weight).sum();
    }
}

/// About how many commands an entry is worth.
fn weight(entry: &Entry) -> usize {
    let EntryPayload::Normal(proposal) = &entry.payload else { return 1 };
    let of_command = |command: &Command| match command {
        Command::Observe(reports) => reports.len(),
        Command::StageConfig { specs, .. } => specs.len(),
        Command::SetConfig(document) => document.document.len() / DOCUMENT_UNIT,
        _ => 0,
    };
    proposal.envelopes.iter().map(|envelope| 1 + of_command(&envelope.command)).sum()
}

/// A range of indexes as `from <= index < to`.
pub(super) fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(n) => *n,
        Bound::Excluded(n) => n.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(n) => n.saturating_add(1),
        Bound::Excluded(n) => *n,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}
