//! A group's log and vote, as openraft wants them.
//!
//! Invariant: entries can be read as soon as `append` returns; they are acknowledged only after
//! the fsync that covers them.

#[cfg(test)]
mod suite;
mod tail;

use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

use openraft::{
    RaftLogReader,
    impls::Vote,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use parking_lot::Mutex;

use super::{
    keys::{Keys, Kind},
    record::{decode, encode},
    shorten::{Gone, Job, Shortener},
    sync::SyncQueue,
};
use crate::{
    bug,
    clock::Clock,
    disk::{Batch, Disk, Space},
    failpoint,
    node::Marks,
    types::{Entry, LeaderId, LogEntry, LogId, StoredLogId, StoredVote, TypeConfig},
};
use tail::{Tail, bounds};

/// See the module. Clones share the same log.
#[derive(Clone)]
pub(crate) struct LogStore {
    keys: Keys,
    disk: Arc<dyn Disk>,
    sync: SyncQueue,
    shortener: Shortener,
    gone: Gone,
    clock: Arc<dyn Clock>,
    tail: Arc<Mutex<Tail>>,
    /// The last vote that was given since the start.
    vote: Arc<Mutex<Option<Vote<LeaderId>>>>,
    /// What is known to be committed and is not written yet.
    committed: Arc<Mutex<Option<LogId>>>,
    /// The side file that tells how far the log was synced (SEMANTICS 26).
    marks: Option<Marks>,
}

impl LogStore {
    /// Opens the log of a group. Its vote, its ends and its last entry are verified; the
    /// others, when they are read.
    ///
    /// # Errors
    /// What the device says, or which record is damaged.
    pub(crate) fn open(
        group: u64,
        disk: Arc<dyn Disk>,
        sync: SyncQueue,
        shortener: Shortener,
        clock: Arc<dyn Clock>,
        marks: Option<Marks>,
    ) -> io::Result<Self> {
        let keys = Keys::new(group);
        let purged = read_log_id(disk.as_ref(), &keys.single(Kind::Purged))?;
        let (from, to) = keys.all(Kind::Entry);
        let last = match disk.last(Space::Log, &from, &to)? {
            Some((key, bytes)) => Some(decode::<LogEntry>(&key, &bytes)?.id.into()),
            None => purged,
        };
        read_log_id(disk.as_ref(), &keys.single(Kind::Committed))?;
        read_vote(disk.as_ref(), keys)?;
        let tail = Arc::new(Mutex::new(Tail::new(purged, last)));
        let (vote, committed) = (Arc::default(), Arc::default());
        Ok(Self {
            keys,
            disk,
            sync,
            shortener,
            gone: Gone::default(),
            clock,
            tail,
            vote,
            committed,
            marks,
        })
    }

    /// The last log id, durable or not.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.tail.lock().last
    }

    /// The last log id that is known to be durable.
    pub(crate) fn durable(&self) -> Option<LogId> {
        self.tail.lock().durable
    }

    /// What the boot clock showed when the last command at or before an index came here; none
    /// where that was before this start.
    pub(crate) fn received(&self, upto: u64) -> Option<u64> {
        self.tail.lock().received(upto)
    }

    async fn lower_mark(&self, last: Option<LogId>) -> io::Result<()> {
        let Some(marks) = self.marks.clone() else { return Ok(()) };
        let group = self.keys.group();
        let lowering = move || marks.lower(group, last.map(StoredLogId::from));
        tokio::task::spawn_blocking(lowering).await.map_err(io::Error::other)?
    }

    fn stored(&self, from: u64, to: u64) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let mut problem = None;
        let (low, high) = (self.keys.number(Kind::Entry, from), self.keys.number(Kind::Entry, to));
        self.disk.scan(Space::Log, &low, &high, &mut |key, bytes| match decode::<LogEntry>(
            key, bytes,
        ) {
            Ok(entry) => {
                found.push(entry.into());
                std::ops::ControlFlow::Continue(())
            }
            Err(damaged) => {
                problem = Some(damaged);
                std::ops::ControlFlow::Break(())
            }
        })?;
        problem.map_or(Ok(found), |damaged| Err(damaged.into()))
    }
}

/// Whoever applies or sends entries would pass over one that is missing in silence.
fn without_holes(entries: Vec<Entry>) -> io::Result<Vec<Entry>> {
    let index = |entry: &Entry| entry.log_id.index;
    let hole = entries.windows(2).find(|pair| index(&pair[1]) != index(&pair[0]) + 1);
    let Some([before, after]) = hole else { return Ok(entries) };
    let detail = format!("the log has nothing between {} and {}", index(before), index(after));
    Err(io::Error::new(io::ErrorKind::InvalidData, detail))
}

/// Up to where a group's disk says that its log is committed.
pub(crate) fn written_committed(disk: &dyn Disk, keys: Keys) -> io::Result<Option<LogId>> {
    read_log_id(disk, &keys.single(Kind::Committed))
}

fn read_log_id(disk: &dyn Disk, key: &[u8]) -> io::Result<Option<LogId>> {
    let stored = disk.get(Space::Log, key)?;
    stored.map(|bytes| Ok(decode::<StoredLogId>(key, &bytes)?.into())).transpose()
}

fn read_vote(disk: &dyn Disk, keys: Keys) -> io::Result<Option<Vote<LeaderId>>> {
    let key = keys.single(Kind::Vote);
    let stored = disk.get(Space::Log, &key)?;
    stored.map(|bytes| Ok(decode::<StoredVote>(&key, &bytes)?.into())).transpose()
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (from, to) = bounds(&range);
        let (first, mut held) = self.tail.lock().get(from, to);
        if from >= first {
            return Ok(held);
        }
        // What is held may not have reached the disk yet, so it is never looked for there.
        let mut entries = self.stored(from, first)?;
        entries.append(&mut held);
        without_holes(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<LeaderId>>, io::Error> {
        let given = *self.vote.lock();
        let written = || read_vote(self.disk.as_ref(), self.keys);
        given.map_or_else(written, |given| Ok(Some(given)))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let tail = self.tail.lock();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<LeaderId>) -> Result<(), io::Error> {
        let key = self.keys.single(Kind::Vote);
        let value = encode(&key, &StoredVote::from(vote));
        let mut batch = Batch::default();
        batch.put(Space::Log, key, value);
        let former = self.vote.lock().replace(*vote);
        if vote.committed && former.is_some_and(|former| former.leader_id == vote.leader_id) {
            // What was promised is durable. That a majority has promised the same is written before
            // the entries that follow from it, and means nothing after a restart.
            self.sync.submit(batch, None);
            return Ok(());
        }
        self.sync.persist(batch).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        // It only spares work after a restart, so it rides along with the next entries. Written
        // at once it could become durable before the entry that it names, which waits its turn.
        *self.committed.lock() = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        if bug!("bug-forget-committed") {
            return Ok(None);
        }
        let known = *self.committed.lock();
        let written = || written_committed(self.disk.as_ref(), self.keys);
        known.map_or_else(written, |known| Ok(Some(known)))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        failpoint!("before-append");
        let mut batch = Batch::default();
        if let Some(committed) = self.committed.lock().take() {
            let key = self.keys.single(Kind::Committed);
            let value = encode(&key, &StoredLogId::from(committed));
            batch.put(Space::Log, key, value);
        }
        let mut last = None;
        {
            let mut tail = self.tail.lock();
            let now = self.clock.boot_millis();
            for entry in entries {
                let key = self.keys.number(Kind::Entry, entry.log_id.index);
                let value = encode(&key, &LogEntry::from(&entry));
                batch.put(Space::Log, key, value);
                last = Some(entry.log_id);
                tail.push(entry, now);
            }
        }
        let tail = Arc::clone(&self.tail);
        let done = move |result: io::Result<()>| {
            if let (Ok(()), Some(last)) = (&result, last) {
                tail.lock().became_durable(last);
            }
            callback.io_completed(result);
        };
        self.sync.submit(batch, Some(Box::new(done)));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let first = last.map_or(0, |id| id.index + 1);
        let (_, end) = self.keys.all(Kind::Entry);
        let mut batch = Batch::default();
        batch.delete_range(Space::Log, self.keys.number(Kind::Entry, first), end);
        self.tail.lock().truncate(last);
        self.lower_mark(last).await?;
        self.sync.persist(batch).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let key = self.keys.single(Kind::Purged);
        let value = encode(&key, &StoredLogId::from(upto));
        let mut batch = Batch::default();
        batch.put(Space::Log, key, value);
        let (first, _) = self.keys.all(Kind::Entry);
        batch.delete_range(Space::Log, first, self.keys.number(Kind::Entry, upto.index + 1));
        let mut tail = self.tail.lock();
        let within = tail.last.is_some_and(|last| last.index >= upto.index);
        tail.purge(upto, self.clock.boot_millis());
        drop(tail);
        let job = Job { upto: upto.index, batch, gone: self.gone.clone() };
        if within {
            self.shortener.shorten(job);
        } else {
            // They came from elsewhere, by a snapshot that is durable; what is appended next would
            // leave a hole behind it.
            self.shortener.shorten_now(job);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Payload;

    #[test]
    fn a_log_with_a_hole_is_not_read() {
        let entry = |index| -> Entry {
            LogEntry { id: StoredLogId { term: 1, index }, payload: Payload::Blank }.into()
        };
        let of = |indexes: &[u64]| without_holes(indexes.iter().copied().map(entry).collect());
        assert_eq!(of(&[4, 5, 6]).unwrap().len(), 3);
        assert!(of(&[]).unwrap().is_empty());
        assert!(of(&[4, 5, 7]).unwrap_err().to_string().contains("between 5 and 7"));
    }
}
