//! The file, its rotated files and its lock: what is held, and how more is added.
//!
//! Invariant: a failure closes the file. It is opened and read anew before anything is added,
//! and what the failed write may have left is cut off first.

use std::{fs, io, sync::Arc};

use model::{Offset, ShardId, event::ClusterIdentity};
use raft::failpoint;
use tracing::info;

use super::{
    FileSettings,
    archive::Archive,
    journal::{Journal, Trusted, directory},
    line::Line,
    lock::PathLock,
    medium::Medium,
    scan::{Tails, raise},
};
use crate::sink::SinkError;

/// See the module.
pub(super) struct Store {
    settings: FileSettings,
    cluster: ClusterIdentity,
    medium: Arc<dyn Medium>,
    journal: Option<Journal>,
    /// What was durable when the file was last closed by a failure.
    trusted: Option<Trusted>,
    archive: Archive,
    _lock: PathLock,
}

impl Store {
    pub(super) fn open(
        settings: FileSettings,
        cluster: ClusterIdentity,
        medium: Arc<dyn Medium>,
    ) -> Result<Self, SinkError> {
        let failed = |error: io::Error| SinkError::io(&settings.path, &error);
        fs::create_dir_all(directory(&settings.path)).map_err(failed)?;
        let lock = PathLock::take(&settings.path)?;
        let archive = Archive::open(&settings.path).map_err(failed)?;
        let (journal, trusted) = (None, None);
        let mut store = Self { settings, cluster, medium, journal, trusted, archive, _lock: lock };
        store.journal()?;
        Ok(store)
    }

    /// The last offset of a shard in the file or those it was rotated to.
    pub(super) fn tail(&mut self, shard: ShardId) -> Result<Option<Offset>, SinkError> {
        if let Some(offset) = self.journal()?.tails.get(&shard) {
            return Ok(Some(*offset));
        }
        let found = self.archive.find(shard, &self.cluster);
        found.map_err(|error| SinkError::io(&self.settings.path, &error))
    }

    /// Adds the lines that are not there yet, all or, on failure, none.
    pub(super) fn commit<'a>(
        &mut self,
        batches: impl Iterator<Item = (ShardId, &'a [Line])>,
    ) -> Result<(), SinkError> {
        self.journal()?;
        let mut addition = Addition::default();
        for (shard, lines) in batches {
            addition.add(shard, self.known(shard), lines);
        }
        if addition.bytes.is_empty() {
            return Ok(());
        }
        self.make_room(addition.bytes.len() as u64)?;
        let journal = self.journal()?;
        failpoint!("sink-before-write");
        if let Err(error) = journal.append(&addition.bytes) {
            return Err(self.abandon(&error));
        }
        journal.tails.extend(addition.tails);
        failpoint!("sink-after-write-before-ack");
        Ok(())
    }

    /// What is known of a shard without reading; complete for one whose tail was asked.
    pub(super) fn known(&self, shard: ShardId) -> Offset {
        let current = self.journal.as_ref().and_then(|journal| journal.tails.get(&shard).copied());
        current.or(self.archive.known(shard)).unwrap_or_default()
    }

    /// The current file, opened again where a failure or somebody else has got at it.
    fn journal(&mut self) -> Result<&mut Journal, SinkError> {
        let journal = match self.journal.take() {
            Some(journal) if journal.is_intact() => journal,
            _ => self.reopen()?,
        };
        Ok(self.journal.insert(journal))
    }

    fn reopen(&mut self) -> Result<Journal, SinkError> {
        let medium = Arc::clone(&self.medium);
        let journal = Journal::open(&self.settings.path, &self.cluster, self.trusted, medium)?;
        self.trusted = None;
        let path = self.settings.path.display();
        info!(%path, bytes = journal.len(), shards = journal.tails.len(), "opened the event file");
        Ok(journal)
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), SinkError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let len = journal.len();
        if len == 0 || len.saturating_add(bytes) <= self.settings.rotate_bytes {
            return Ok(());
        }
        let taken = self.archive.take(&journal.tails, self.settings.keep);
        taken.map_err(|error| self.abandon(&error))
    }

    fn abandon(&mut self, error: &io::Error) -> SinkError {
        if let Some(journal) = self.journal.take() {
            journal.take_back();
            self.trusted = Some(journal.trusted());
        }
        SinkError::io(&self.settings.path, error)
    }
}

/// What one write adds.
#[derive(Default)]
struct Addition {
    bytes: Vec<u8>,
    tails: Tails,
}

impl Addition {
    fn add(&mut self, shard: ShardId, known: Offset, lines: &[Line]) {
        for line in lines {
            let tail = self.tails.get(&shard).copied().unwrap_or(known);
            if line.offset > tail {
                self.bytes.extend_from_slice(&line.bytes);
                raise(&mut self.tails, shard, line.offset);
            }
        }
    }
}
