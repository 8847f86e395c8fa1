//! Reads a file line by line, however long its lines claim to be.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The longest line, in bytes; events are far smaller.
const MAX_LINE: usize = 1 << 20;
const BUFFER: usize = 256 * 1024;

/// The lines of one file.
pub(super) struct Lines {
    input: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

/// What a line turned out to be.
pub(super) enum Line<'a> {
    /// A whole line, without its line break.
    Whole(&'a [u8]),
    /// The last line, broken off before its line break.
    Torn,
    /// Longer than any event.
    TooLong,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let input = BufReader::with_capacity(BUFFER, File::open(path)?);
        Ok(Self { input, line: Vec::new(), number: 0 })
    }

    /// The next line and its number, from 1.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.line.clear();
        let limit = MAX_LINE as u64 + 1;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = match self.line.split_last() {
            Some((b'\n', line)) => Line::Whole(line),
            _ if self.line.len() > MAX_LINE => {
                self.input.skip_until(b'\n')?;
                Line::TooLong
            }
            _ => Line::Torn,
        };
        Ok(Some((self.number, line)))
    }
}
