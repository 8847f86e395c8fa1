//! SEMANTICS 26: a database that is older than what was acknowledged.

use std::fs;

use super::*;
use crate::{
    disk::{Batch, Disk, RocksDisk, Space},
    store::keys::{Keys, Kind},
};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A directory whose database lacks the declaration of `b`.
async fn went_back(path: &Path, clock: &Arc<ManualClock>) {
    let shards = Shards::open(on_disk(path, 1, clock)).await.unwrap();
    declare(&shards, "a").await.unwrap();
    shards.close().await;
    drop(shards);
    copy(&path.join("raft"), &path.join("older"));
    let shards = Shards::open(on_disk(path, 1, clock)).await.unwrap();
    declare(&shards, "b").await.unwrap();
    shards.close().await;
    drop(shards);
    fs::remove_dir_all(path.join("raft")).unwrap();
    fs::rename(path.join("older"), path.join("raft")).unwrap();
}

fn holds(shards: &Shards, id: &str) -> bool {
    let shard = ShardId(0);
    shards.resources(shard).iter().any(|resource| resource.id().as_str() == id)
}

#[tokio::test]
async fn semantics_26_a_log_that_went_backwards_is_refused_until_the_loss_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    went_back(path, &clock).await;
    // Refusing must not write: a second attempt finds the same.
    for _ in 0..2 {
        let refused = Shards::open(on_disk(path, 1, &clock)).await.err().unwrap();
        assert!(matches!(refused, OpenError::LogWentBackwards { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("lost acknowledged entries"), "{text}");
        assert!(text.contains("--accept-data-loss"), "{text}");
    }
    let accepting = Options { accept_data_loss: true, ..on_disk(path, 1, &clock) };
    let shards = Shards::open(accepting).await.unwrap();
    assert!(holds(&shards, "a") && !holds(&shards, "b"));
    declare(&shards, "c").await.unwrap();
    shards.close().await;
    drop(shards);
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    assert!(holds(&shards, "a") && holds(&shards, "c"));
    shards.close().await;
}

#[tokio::test]
async fn semantics_26_an_emptied_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    went_back(path, &clock).await;
    fs::remove_dir_all(path.join("raft")).unwrap();
    let refused = Shards::open(on_disk(path, 1, &clock)).await.err().unwrap();
    assert!(matches!(refused, OpenError::LogWentBackwards { found: 0, .. }), "{refused}");
}

/// As after a crash that came before the log said that it begins behind a snapshot, or before an
/// entry was written that others had committed.
#[tokio::test]
async fn semantics_26_a_state_that_goes_further_than_its_log_is_no_loss() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    declare(&shards, "a").await.unwrap();
    shards.close().await;
    drop(shards);
    let disk = RocksDisk::open(&path.join("raft")).unwrap();
    let mut batch = Batch::default();
    for group in 0..=1 {
        let (from, to) = Keys::new(group).all(Kind::Entry);
        batch.delete_range(Space::Log, from, to);
    }
    disk.write(&batch).unwrap();
    disk.sync().unwrap();
    drop(disk);
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    assert!(holds(&shards, "a"));
    declare(&shards, "b").await.unwrap();
    shards.close().await;
    drop(shards);
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    assert!(holds(&shards, "a") && holds(&shards, "b"));
    shards.close().await;
}
