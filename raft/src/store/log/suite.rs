//! openraft's own suite for storage, over both disks, and what it does not ask.

use std::sync::Arc;

use openraft::{
    RaftLogReader, StorageError,
    impls::Vote,
    storage::{RaftLogStorage, RaftLogStorageExt},
    testing::log::{StoreBuilder, Suite},
};

use super::LogStore;
use crate::{
    disk::{Disk, Fatal, MemoryDisk, RocksDisk, Space},
    fixture::ManualClock,
    machine::{Machine, Replica},
    store::{
        keys::{Keys, Kind},
        record::show,
        shorten::Shortener,
        sync::SyncQueue,
    },
    types::{Entry, LeaderId, LogEntry, Payload, StoredLogId, TypeConfig, log_id},
};

/// What must live as long as a store.
struct Guard {
    sync: SyncQueue,
    shortener: Shortener,
    _directory: Option<tempfile::TempDir>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shortener.close();
        self.sync.close();
    }
}

struct InMemory;
struct OnRocks;

impl StoreBuilder<TypeConfig, LogStore, Machine, Guard> for InMemory {
    async fn build(&self) -> Result<(Guard, LogStore, Machine), StorageError<TypeConfig>> {
        Ok(built(Arc::new(MemoryDisk::new()), None))
    }
}

impl StoreBuilder<TypeConfig, LogStore, Machine, Guard> for OnRocks {
    async fn build(&self) -> Result<(Guard, LogStore, Machine), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let disk = RocksDisk::open(directory.path()).unwrap();
        Ok(built(Arc::new(disk), Some(directory)))
    }
}

fn built(disk: Arc<dyn Disk>, directory: Option<tempfile::TempDir>) -> (Guard, LogStore, Machine) {
    let fatal: Fatal = Arc::new(|why| panic!("{why}"));
    let sync = SyncQueue::start(Arc::clone(&disk), Arc::clone(&fatal)).unwrap();
    let shortener = Shortener::start(Arc::clone(&disk), sync.clone()).unwrap();
    let guard = Guard { sync, shortener, _directory: directory };
    let log = opened(&disk, &guard);
    let machine = Machine::new(Replica::load(1, disk, fatal).unwrap());
    (guard, log, machine)
}

fn opened(disk: &Arc<dyn Disk>, guard: &Guard) -> LogStore {
    let (sync, shortener) = (guard.sync.clone(), guard.shortener.clone());
    let clock = Arc::new(ManualClock::default());
    LogStore::open(1, Arc::clone(disk), sync, shortener, clock, None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_openraft_passes_in_memory() {
    Suite::test_all(InMemory).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_openraft_passes_on_rocksdb() {
    Suite::test_all(OnRocks).await.unwrap();
}

fn blank(term: u64, index: u64) -> Entry {
    LogEntry { id: StoredLogId { term, index }, payload: Payload::Blank }.into()
}

async fn indexes(log: &mut LogStore) -> Vec<u64> {
    let entries = log.try_get_log_entries(0..).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn truncating_beyond_the_end_raises_nothing() {
    let (_guard, mut log, _) = built(Arc::new(MemoryDisk::new()), None);
    log.truncate_after(Some(log_id(3, 9))).await.unwrap();
    assert_eq!(log.last(), None);
    log.blocking_append([blank(1, 1), blank(1, 2)]).await.unwrap();
    log.truncate_after(Some(log_id(1, 2))).await.unwrap();
    log.truncate_after(Some(log_id(3, 9))).await.unwrap();
    assert_eq!((log.last(), log.durable()), (Some(log_id(1, 2)), Some(log_id(1, 2))));
    log.truncate_after(Some(log_id(1, 1))).await.unwrap();
    assert_eq!((log.last(), log.durable()), (Some(log_id(1, 1)), Some(log_id(1, 1))));
    assert_eq!(indexes(&mut log).await, [1]);
}

#[tokio::test]
async fn a_power_cut_keeps_what_was_acknowledged_across_a_truncation() {
    let disk = Arc::new(MemoryDisk::new());
    let (guard, mut log, _) = built(Arc::<MemoryDisk>::clone(&disk), None);
    log.blocking_append((1..=9).map(|index| blank(1, index))).await.unwrap();
    log.truncate_after(Some(log_id(1, 4))).await.unwrap();
    log.blocking_append([blank(2, 5), blank(2, 6)]).await.unwrap();
    log.save_vote(&Vote::new(7, 1)).await.unwrap();
    disk.crash();
    let mut log = opened(&(disk as Arc<dyn Disk>), &guard);
    assert_eq!(log.last(), Some(log_id(2, 6)));
    assert_eq!(indexes(&mut log).await, [1, 2, 3, 4, 5, 6]);
    let vote: Option<Vote<LeaderId>> = log.read_vote().await.unwrap();
    assert_eq!(vote, Some(Vote::new(7, 1)));
}

#[tokio::test]
async fn a_damaged_entry_is_named_and_not_served() {
    let disk = Arc::new(MemoryDisk::new());
    let (guard, mut log, _) = built(Arc::<MemoryDisk>::clone(&disk), None);
    log.blocking_append((1..=5).map(|index| blank(1, index))).await.unwrap();
    let key = Keys::new(1).number(Kind::Entry, 3);
    assert!(disk.flip_bit(Space::Log, &key, 9));
    let mut log = opened(&(disk as Arc<dyn Disk>), &guard);
    let error = log.try_get_log_entries(1..6).await.unwrap_err().to_string();
    assert!(error.contains(&show(&key)), "{error}");
    assert_eq!(log.try_get_log_entries(4..6).await.unwrap().len(), 2);
}

#[tokio::test]
async fn entries_that_wait_for_their_sync_are_read_behind_those_on_the_disk() {
    let disk = Arc::new(MemoryDisk::new());
    let (guard, mut log, _) = built(Arc::<MemoryDisk>::clone(&disk), None);
    log.blocking_append((1..=3).map(|index| blank(1, index))).await.unwrap();
    // Nothing is decoded yet after a restart, and nothing that is appended reaches the disk.
    let mut log = opened(&(disk as Arc<dyn Disk>), &guard);
    guard.sync.close();
    assert!(log.blocking_append([blank(1, 4)]).await.is_err());
    assert_eq!(indexes(&mut log).await, [1, 2, 3, 4]);
    let within = log.try_get_log_entries(2..5).await.unwrap();
    assert_eq!(within.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(log.try_get_log_entries(5..9).await.unwrap().is_empty());
}
