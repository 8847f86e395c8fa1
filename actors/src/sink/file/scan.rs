//! Reads a file from its beginning: the last offset of each shard, and where it ends well.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
};

use model::{Offset, ShardId, event::ClusterIdentity};

use super::line::{self, Reading};

/// The most bytes of one line that are looked at; ours are a few thousand.
const MAX_LINE: u64 = 1 << 20;
const BUFFER: usize = 1 << 18;

/// The last offset of each shard.
pub(super) type Tails = BTreeMap<ShardId, Offset>;

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) tails: Tails,
    /// Where the last complete line ends.
    pub(super) good: u64,
    /// Where the file ends.
    pub(super) len: u64,
    /// Damaged lines before `good`; they are kept.
    pub(super) damaged: u64,
    /// Whether, without one good line, the file is still what our own torn writes leave.
    torn_by_us: bool,
}

impl Scan {
    /// Reads all of `file` from its beginning.
    pub(super) fn of(file: impl Read, cluster: &ClusterIdentity) -> io::Result<Self> {
        let mut lines = Lines { reader: BufReader::with_capacity(BUFFER, file), inside: false };
        let (mut scan, mut piece) = (Self::default(), Vec::new());
        let mut pending = 0;
        while let Some(whole) = lines.next(&mut piece)? {
            if scan.len == 0 {
                scan.torn_by_us = could_be_torn(&piece);
            }
            scan.len += piece.len() as u64;
            match whole.map_or(Reading::Damaged, |length| line::read(&piece[..length], cluster)) {
                Reading::Damaged => {
                    pending += 1;
                    continue;
                }
                Reading::Foreign => {}
                Reading::Ours(shard, offset) => raise(&mut scan.tails, shard, offset),
            }
            scan.good = scan.len;
            scan.damaged += std::mem::take(&mut pending);
        }
        Ok(scan)
    }

    /// Whether somebody else's file is there, in which nothing may be cut.
    pub(super) fn is_not_events(&self) -> bool {
        self.good == 0 && self.len > 0 && !self.torn_by_us
    }
}

/// Moves a shard's tail forward.
pub(super) fn raise(tails: &mut Tails, shard: ShardId, offset: Offset) {
    let tail = tails.entry(shard).or_default();
    *tail = offset.max(*tail);
}

/// A file's first piece after a crash in its first write: the beginning of a line, or blocks
/// that the file system had assigned but not written.
fn could_be_torn(piece: &[u8]) -> bool {
    piece.starts_with(b"\0") || (piece.starts_with(b"{") && !piece.ends_with(b"\n"))
}

/// Splits at newlines, in bounded memory.
struct Lines<R> {
    reader: BufReader<R>,
    /// Whether the next piece continues a line.
    inside: bool,
}

impl<R: Read> Lines<R> {
    /// Reads the next piece. The answer has the length of the line without its newline, or
    /// `Some(None)` for a piece that is no whole line.
    fn next(&mut self, piece: &mut Vec<u8>) -> io::Result<Option<Option<usize>>> {
        piece.clear();
        self.reader.by_ref().take(MAX_LINE).read_until(b'\n', piece)?;
        if piece.is_empty() {
            return Ok(None);
        }
        let ends = piece.ends_with(b"\n");
        let whole = (ends && !self.inside).then(|| piece.len() - 1);
        self.inside = !ends;
        Ok(Some(whole))
    }
}
