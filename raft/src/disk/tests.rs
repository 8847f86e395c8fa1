//! What a crash leaves of what was logged and of what was applied, on both disks.

use std::{fs, path::Path, sync::Arc};

use super::*;

fn put(space: Space, key: u8) -> Batch {
    let mut batch = Batch::default();
    batch.put(space, vec![key], vec![key]);
    batch
}

fn has(disk: &dyn Disk, space: Space, key: u8) -> bool {
    disk.get(space, &[key]).unwrap() == Some(vec![key])
}

/// A disk, and what it would be after `kill -9` at this moment.
trait Killed {
    fn disk(&self) -> &dyn Disk;
    fn after_a_kill(&self) -> Box<dyn Disk>;
}

struct InMemory(MemoryDisk);

impl Killed for InMemory {
    fn disk(&self) -> &dyn Disk {
        &self.0
    }

    fn after_a_kill(&self) -> Box<dyn Disk> {
        self.0.crash();
        let copy = MemoryDisk::new();
        for space in [Space::Log, Space::State] {
            let mut copied = Batch::default();
            let mut visit = |key: &[u8], value: &[u8]| {
                copied.put(space, key.to_vec(), value.to_vec());
                ControlFlow::Continue(())
            };
            self.0.scan(space, &[0], &[255], &mut visit).unwrap();
            copy.write(&copied).unwrap();
        }
        Box::new(copy)
    }
}

struct OnRocks {
    disk: RocksDisk,
    directory: tempfile::TempDir,
}

impl OnRocks {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { disk: RocksDisk::open(&directory.path().join("live")).unwrap(), directory }
    }
}

impl Killed for OnRocks {
    fn disk(&self) -> &dyn Disk {
        &self.disk
    }

    /// Files as they are while the process still runs: what it holds in memory is not in them.
    fn after_a_kill(&self) -> Box<dyn Disk> {
        let copy = self.directory.path().join("copy");
        let _ = fs::remove_dir_all(&copy);
        copy_files(&self.directory.path().join("live"), &copy);
        Box::new(RocksDisk::open(&copy).unwrap())
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn what_is_applied_is_lost_and_the_log_is_not(killed: &dyn Killed) {
    killed.disk().write(&put(Space::Log, 1)).unwrap();
    killed.disk().sync().unwrap();
    killed.disk().write_applied(&put(Space::State, 1)).unwrap();
    assert!(has(killed.disk(), Space::State, 1), "it can be read at once");
    let after = killed.after_a_kill();
    assert!(has(after.as_ref(), Space::Log, 1));
    assert!(!has(after.as_ref(), Space::State, 1));
}

fn what_is_written_out_is_there_with_the_log_it_came_of(killed: &dyn Killed) {
    killed.disk().write(&put(Space::Log, 1)).unwrap();
    killed.disk().write_applied(&put(Space::State, 1)).unwrap();
    killed.disk().flush_applied().unwrap();
    killed.disk().write_applied(&put(Space::State, 2)).unwrap();
    let after = killed.after_a_kill();
    assert!(has(after.as_ref(), Space::State, 1));
    assert!(has(after.as_ref(), Space::Log, 1), "although nobody has synced it");
    assert!(!has(after.as_ref(), Space::State, 2));
}

/// As a snapshot is installed, between what is applied before and after it.
fn what_is_logged_of_the_state_survives_between_what_is_not(killed: &dyn Killed) {
    killed.disk().write_applied(&put(Space::State, 1)).unwrap();
    let mut replaced = put(Space::State, 2);
    replaced.0.insert(0, Write::DeleteRange(Space::State, vec![0], vec![255]));
    killed.disk().write(&replaced).unwrap();
    killed.disk().sync().unwrap();
    killed.disk().write_applied(&put(Space::State, 3)).unwrap();
    let after = killed.after_a_kill();
    assert_eq!([1, 2, 3].map(|key| has(after.as_ref(), Space::State, key)), [false, true, false]);
}

fn all_hold(new: impl Fn() -> Box<dyn Killed>) {
    what_is_applied_is_lost_and_the_log_is_not(new().as_ref());
    what_is_written_out_is_there_with_the_log_it_came_of(new().as_ref());
    what_is_logged_of_the_state_survives_between_what_is_not(new().as_ref());
}

#[test]
fn a_crash_leaves_what_the_log_can_complete_in_memory() {
    all_hold(|| Box::new(InMemory(MemoryDisk::new())));
}

#[test]
fn a_crash_leaves_what_the_log_can_complete_on_rocksdb() {
    all_hold(|| Box::new(OnRocks::new()));
}

#[test]
fn a_store_that_is_closed_writes_out_what_was_applied() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RocksDisk::open(directory.path()).unwrap();
    disk.write_applied(&put(Space::State, 1)).unwrap();
    drop(disk);
    let disk: Arc<dyn Disk> = Arc::new(RocksDisk::open(directory.path()).unwrap());
    assert!(has(disk.as_ref(), Space::State, 1));
}
