//! What the user asked for, where scratch files go, and progress on standard error.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// How to run benchmarks.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many pairs of ours and the peer.
    pub pair_count: usize,
    /// Shorter spans and smaller sizes: for a first look, not for a figure.
    pub quick: bool,
    /// Where ours and the peer keep their data: one directory, so one disk.
    pub scratch: PathBuf,
    began: Instant,
}

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Bellwether.
    Ours,
    /// What it is compared with.
    Peer,
}

impl Plan {
    /// A plan that begins now.
    #[must_use]
    pub fn new(pair_count: usize, quick: bool, scratch: PathBuf) -> Self {
        Self { pair_count, quick, scratch, began: Instant::now() }
    }

    /// The pairs with the order of each: the one that begins changes, so that a machine that
    /// warms up or slows down favours nobody.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, [Side; 2])> + use<> {
        (0..self.pair_count).map(|pair| {
            let order =
                if pair % 2 == 0 { [Side::Ours, Side::Peer] } else { [Side::Peer, Side::Ours] };
            (pair, order)
        })
    }

    /// A span of measuring: a quarter of it in a quick run.
    #[must_use]
    pub fn span(&self, full: Duration) -> Duration {
        if self.quick { full / 4 } else { full }
    }

    /// A fresh directory on the disk that is measured; it goes when the value is dropped.
    ///
    /// # Errors
    /// Where the scratch directory cannot be written.
    pub fn directory(&self, name: &str) -> Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.scratch)
            .and_then(|()| tempfile::Builder::new().prefix(name).tempdir_in(&self.scratch))
            .with_context(|| format!("cannot make a directory in {}", self.scratch.display()))
    }

    /// Says on standard error what happens now: on a terminal in one line that is overwritten.
    pub fn progress(&self, what: &str) {
        let mut out = std::io::stderr().lock();
        let seconds = self.began.elapsed().as_secs();
        // Progress that nobody can read is no reason to stop.
        let _ = if out.is_terminal() {
            write!(out, "\r\x1b[2K[{seconds:>4} s] {what}").and_then(|()| out.flush())
        } else {
            writeln!(out, "[{seconds:>4} s] {what}")
        };
    }

    /// Ends the line of progress.
    pub fn progress_done(&self) {
        let mut out = std::io::stderr().lock();
        if out.is_terminal() {
            let _ = write!(out, "\r\x1b[2K").and_then(|()| out.flush());
        }
    }

    /// Where scratch files go.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_begins_every_other_pair() {
        let plan = Plan::new(3, true, PathBuf::from("."));
        let first: Vec<Side> = plan.pairs().map(|(_, order)| order[0]).collect();
        assert_eq!(first, [Side::Ours, Side::Peer, Side::Ours]);
        assert_eq!(plan.span(Duration::from_secs(4)), Duration::from_secs(1));
    }
}
