//! The offsets of each shard: contiguous, over all files together.
//!
//! A leader writes into its own node's file, so that the next offset of a shard can stand in
//! another file; events that come early wait, at most [`MAX_WAITING`] of them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{
    findings::Findings,
    lives::range,
    told::{StreamId, Told},
};

/// The most events that wait for others.
const MAX_WAITING: usize = 100_000;
/// The offsets of which a repeat in another file is compared byte for byte.
const REMEMBERED: usize = 4_096;

/// All streams.
pub(super) struct Streams {
    streams: BTreeMap<StreamId, Stream>,
    /// The last offset of each stream in each file.
    in_file: HashMap<(usize, StreamId), u64>,
    waiting: usize,
    max_waiting: usize,
    repeats: u64,
}

/// One shard's offsets.
struct Stream {
    first: u64,
    next: u64,
    waiting: BTreeMap<u64, Told>,
    recent: VecDeque<u64>,
}

/// An event whose turn has come.
pub(super) struct Due {
    /// The event.
    pub(super) told: Told,
    /// Whether its stream began with offset 1.
    pub(super) whole: bool,
}

impl Streams {
    /// `firsts` are the lowest offsets, where more than one file is read.
    pub(super) fn new(firsts: BTreeMap<StreamId, u64>, files: usize) -> Self {
        let streams = firsts.into_iter().map(|(id, first)| (id, Stream::new(first))).collect();
        let max_waiting = if files > 1 { MAX_WAITING } else { 0 };
        Self { streams, in_file: HashMap::new(), waiting: 0, max_waiting, repeats: 0 }
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// How many events stood in more than one file.
    pub(super) fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Whether an event waits for none before it.
    pub(super) fn is_due(&self, told: &Told) -> bool {
        self.streams.get(&told.stream).is_none_or(|stream| told.offset <= stream.next)
    }

    /// Takes the next event of a file; returns those whose turn has come.
    pub(super) fn take(&mut self, told: Told, findings: &mut Findings) -> Vec<Due> {
        if !self.is_in_order(&told, findings) {
            return Vec::new();
        }
        let id = told.stream;
        let stream = self.streams.entry(id).or_insert_with(|| Stream::new(told.offset));
        if told.offset < stream.next {
            self.repeats += 1;
            stream.compare(&told, findings);
            return Vec::new();
        }
        if let Some(twin) = stream.waiting.get(&told.offset) {
            self.repeats += 1;
            if twin.fingerprint != told.fingerprint {
                findings.report(told.at, || differs(&told));
            }
            return Vec::new();
        }
        stream.waiting.insert(told.offset, told);
        self.waiting += 1;
        let mut due = self.drain(id);
        while self.waiting > self.max_waiting {
            let Some(longest) = self.longest() else { break };
            due.extend(self.skip_gap(longest, findings));
        }
        due
    }

    /// Gives up waiting: what is missing now is in no file.
    pub(super) fn finish(&mut self, findings: &mut Findings) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(longest) = self.longest() {
            due.extend(self.skip_gap(longest, findings));
        }
        due
    }

    /// Within one file offsets only rise (SEMANTICS 11).
    fn is_in_order(&mut self, told: &Told, findings: &mut Findings) -> bool {
        let key = (told.at.file, told.stream);
        let (shard, offset) = (told.stream.shard, told.offset);
        let last = self.in_file.get(&key).copied();
        let wrong = match last {
            Some(last) if offset == last => format!("repeats offset {offset} of shard {shard}"),
            Some(last) if offset < last => {
                format!("goes back to offset {offset} of shard {shard} after {last}")
            }
            None if offset == 0 => format!("has offset 0 of shard {shard}; offsets begin with 1"),
            _ => {
                self.in_file.insert(key, offset);
                return true;
            }
        };
        findings.report(told.at, || wrong);
        false
    }

    fn drain(&mut self, id: StreamId) -> Vec<Due> {
        let Some(stream) = self.streams.get_mut(&id) else { return Vec::new() };
        let mut due = Vec::new();
        while let Some(told) = stream.waiting.remove(&stream.next) {
            self.waiting -= 1;
            stream.remember(told.fingerprint);
            stream.next += 1;
            due.push(Due { told, whole: stream.first == 1 });
        }
        due
    }

    fn longest(&self) -> Option<StreamId> {
        let waiting = self.streams.iter().filter(|(_, stream)| !stream.waiting.is_empty());
        waiting.max_by_key(|(_, stream)| stream.waiting.len()).map(|(id, _)| *id)
    }

    fn skip_gap(&mut self, id: StreamId, findings: &mut Findings) -> Vec<Due> {
        if let Some(stream) = self.streams.get_mut(&id)
            && let Some((offset, told)) = stream.waiting.first_key_value()
        {
            let missing = range(stream.next, offset - 1);
            findings.report(told.at, || {
                format!("offset {missing} of shard {} is missing before this line", id.shard)
            });
            stream.next = *offset;
            stream.recent.clear();
        }
        self.drain(id)
    }
}

impl Stream {
    fn new(first: u64) -> Self {
        Self { first, next: first, waiting: BTreeMap::new(), recent: VecDeque::new() }
    }

    /// The fingerprints of the last offsets without a gap.
    fn remember(&mut self, fingerprint: u64) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(fingerprint);
    }

    fn compare(&self, told: &Told, findings: &mut Findings) {
        let back = usize::try_from(self.next - told.offset).unwrap_or(usize::MAX);
        let known = self.recent.len().checked_sub(back).map(|at| self.recent[at]);
        if known.is_some_and(|known| known != told.fingerprint) {
            findings.report(told.at, || differs(told));
        }
    }
}

fn differs(told: &Told) -> String {
    format!(
        "is another event at offset {} of shard {} than in another file",
        told.offset, told.stream.shard
    )
}
