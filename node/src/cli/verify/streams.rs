//! The offsets of each shard: contiguous, over all files together.
//!
//! A leader writes into its own node's file, so that the next offset of a shard can stand in
//! another file; lines that come early wait, at most [`MAX_WAITING`] of them.

use std::collections::{BTreeMap, HashMap};

use super::{
    findings::Findings,
    lives::range,
    stream::{Passed, Stream},
    told::{Line, StreamId, Told},
};

/// The most lines that wait for others.
const MAX_WAITING: usize = 100_000;

/// All streams.
pub(super) struct Streams {
    streams: BTreeMap<StreamId, Stream>,
    /// The last offset of each stream in each file.
    in_file: HashMap<(usize, StreamId), u64>,
    waiting: usize,
    max_waiting: usize,
    repeats: Repeats,
    totals: Totals,
}

/// What it means that a source tells the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// A file never does.
    Wrong,
    /// A topic may, after a kill: who drops them sees everything once.
    Usual,
}

/// What was counted over all streams.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    /// Events and gaps that stood in more than one file.
    pub(super) repeats: u64,
    /// Gaps.
    pub(super) gaps: u64,
    /// Events that gaps stand for, those that another file holds left out.
    pub(super) lost: u64,
    /// What a source told again, where that is usual.
    pub(super) again: u64,
}

/// An event whose turn has come.
pub(super) struct Due {
    /// The event.
    pub(super) told: Told,
    /// Whether everything from offset 1 on came before it.
    pub(super) whole: bool,
    /// The last offset before it that a gap stands for; 0 where there is none.
    pub(super) lost_until: u64,
}

impl Streams {
    /// `firsts` are the lowest offsets, where more than one file is read.
    pub(super) fn new(firsts: BTreeMap<StreamId, u64>, files: usize, repeats: Repeats) -> Self {
        let streams = firsts.into_iter().map(|(id, first)| (id, Stream::new(first))).collect();
        let max_waiting = if files > 1 { MAX_WAITING } else { 0 };
        let totals = Totals::default();
        Self { streams, in_file: HashMap::new(), waiting: 0, max_waiting, repeats, totals }
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// What was counted so far.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether a line waits for none before it. A gap always does: another file can have the
    /// events that it stands for, and they come first.
    pub(super) fn is_due(&self, line: &Line) -> bool {
        let Line::Event(told) = line else { return false };
        self.streams.get(&told.stream).is_none_or(|stream| told.offset <= stream.next)
    }

    /// Takes the next line of a file; returns the events whose turn has come.
    pub(super) fn take(&mut self, line: Line, findings: &mut Findings) -> Vec<Due> {
        if !self.is_in_order(&line, findings) {
            return Vec::new();
        }
        let id = line.stream();
        let stream = self.streams.entry(id).or_insert_with(|| Stream::new(line.first_offset()));
        let before = stream.waits();
        let is_gap = matches!(line, Line::Gap(_));
        let is_new = match line {
            Line::Event(told) => stream.take(told, findings),
            Line::Gap(gap) => stream.take_gap(gap),
        };
        self.waiting = self.waiting + stream.waits() - before;
        self.totals.repeats += u64::from(!is_new);
        self.totals.gaps += u64::from(is_new && is_gap);
        let mut due = self.drain(id);
        while self.waiting > self.max_waiting {
            let Some(longest) = self.longest() else { break };
            due.extend(self.skip_missing(longest, findings));
        }
        due
    }

    /// Gives up waiting: what is missing now is in no file.
    pub(super) fn finish(&mut self, findings: &mut Findings) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(longest) = self.longest() {
            due.extend(self.skip_missing(longest, findings));
        }
        due
    }

    /// Within one file offsets only rise (SEMANTICS 11).
    fn is_in_order(&mut self, line: &Line, findings: &mut Findings) -> bool {
        let key = (line.at().file, line.stream());
        let (shard, offset) = (key.1.shard, line.last_offset());
        let wrong = match self.in_file.get(&key).copied() {
            Some(last) if offset <= last && self.repeats == Repeats::Usual => {
                self.totals.again += 1;
                return false;
            }
            Some(last) if offset == last => format!("repeats offset {offset} of shard {shard}"),
            Some(last) if offset < last => {
                format!("goes back to offset {offset} of shard {shard} after {last}")
            }
            Some(last) if line.first_offset() <= last => {
                let first = line.first_offset();
                format!("is a gap of shard {shard} from offset {first}, but {last} came before")
            }
            None if offset == 0 => format!("has offset 0 of shard {shard}; offsets begin with 1"),
            _ => {
                self.in_file.insert(key, offset);
                return true;
            }
        };
        findings.report(line.at(), || wrong);
        false
    }

    fn drain(&mut self, id: StreamId) -> Vec<Due> {
        let Some(stream) = self.streams.get_mut(&id) else { return Vec::new() };
        let (before, mut due) = (stream.waits(), Vec::new());
        while let Some(passed) = stream.pass() {
            match passed {
                Passed::Lost(events) => self.totals.lost += events,
                Passed::Event(told) => {
                    let lost_until = stream.lost_until;
                    let whole = stream.first == 1 && lost_until == 0;
                    due.push(Due { told, whole, lost_until });
                }
            }
        }
        self.waiting = self.waiting + stream.waits() - before;
        due
    }

    fn longest(&self) -> Option<StreamId> {
        let waiting = self.streams.iter().filter(|(_, stream)| stream.waits() > 0);
        waiting.max_by_key(|(_, stream)| stream.waits()).map(|(id, _)| *id)
    }

    fn skip_missing(&mut self, id: StreamId, findings: &mut Findings) -> Vec<Due> {
        if let Some((at, missing)) = self.streams.get_mut(&id).and_then(Stream::skip_missing) {
            let missing = range(*missing.start(), *missing.end());
            let shard = id.shard;
            findings.report(at, || {
                format!("offset {missing} of shard {shard} is missing before this line")
            });
        }
        self.drain(id)
    }
}
