//! A restart from a log that begins long after its first entry.

use std::time::Duration;

use model::{Sequence, cursor::Position};
use openraft::{async_runtime::WatchReceiver as _, storage::RaftLogStorage};

use super::*;
use crate::{
    query::{ChangePage, Consistency, CoverageReport, ListQuery},
    store::snapshot::replacing,
};

/// Packs a group, and forgets every entry up to its last.
pub(super) async fn purge(group: &Group) {
    let within = Some(Duration::from_secs(10));
    let last = group.raft.metrics().borrow_watched().last_applied.unwrap();
    group.raft.trigger().snapshot().await.unwrap();
    group.raft.wait(within).snapshot(last, "the snapshot is built").await.unwrap();
    group.raft.trigger().purge_log(last.index).await.unwrap();
    group.raft.wait(within).purged(Some(last), "the log is purged").await.unwrap();
}

#[derive(Debug, PartialEq)]
struct Served {
    rows: Vec<Arc<model::Resource>>,
    changes: Vec<ChangePage>,
    events: Vec<crate::OutboxRecord>,
    coverage: CoverageReport,
}

async fn served(shards: &Shards) -> Served {
    let query = ListQuery { limit: 1_000, ..ListQuery::default() };
    let rows = shards.list(&query).await.unwrap().value.rows;
    let mut changes = Vec::new();
    for shard in shards.shard_ids() {
        let mut page = shards.changes(shard, Position::default(), 10_000).unwrap();
        assert!(!page.more);
        // The new term moves the revision, and is shown with each row.
        page.upto = Position::default();
        page.changes.iter_mut().for_each(|change| change.row.term = model::Term(0));
        changes.push(page);
    }
    let mut events = Vec::new();
    for row in &rows {
        let id = row.resource.id();
        let some = shards.events(id, Sequence(0), 1_000, Consistency::Linearizable).await.unwrap();
        events.extend(some.value.unwrap());
    }
    let coverage = shards.coverage(Millis::from_secs(3_600), None).await.unwrap().value.unwrap();
    let rows = rows.into_iter().map(|row| row.resource).collect();
    Served { rows, changes, events, coverage }
}

#[tokio::test]
async fn everything_is_served_after_a_snapshot_a_purge_and_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    let shards = Shards::open(on_disk(path, 2, &clock)).await.unwrap();
    live(&shards, &clock, 40).await;
    for group in &shards.inner.groups {
        purge(group).await;
    }
    let before = served(&shards).await;
    assert_eq!(before.rows.len(), 40);
    assert!(before.coverage.coverage.adds_up() && before.events.len() > 80);
    let cursor = shards.cursor();
    shards.close().await;
    drop(shards);
    for _ in 0..2 {
        let shards = Shards::open(on_disk(path, 2, &clock)).await.unwrap();
        for group in &shards.inner.groups {
            let purged = group.log.clone().get_log_state().await.unwrap().last_purged_log_id;
            assert!(purged.is_some_and(|id| id.index >= 3), "{purged:?}");
        }
        assert_eq!(served(&shards).await, before);
        shards.check_cursor(&cursor).await.unwrap();
        shards.close().await;
    }
    let shards = Shards::open(on_disk(path, 2, &clock)).await.unwrap();
    clock.pass(1_000);
    observe(&shards, &"r0".parse().unwrap(), false).await.unwrap();
    let coverage = served(&shards).await.coverage.coverage;
    assert!(coverage.adds_up(), "{coverage:?}");
    shards.close().await;
}

/// A start is answered with descriptions alone; a group that runs must never be.
#[tokio::test]
async fn a_group_that_runs_hands_out_whole_snapshots_after_a_fresh_start_and_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    for start in 0..3 {
        let shards = Shards::open(on_disk(path, 2, &clock)).await.unwrap();
        if start == 0 {
            live(&shards, &clock, 10).await;
        }
        for group in &shards.inner.groups {
            let snapshot = group.raft.get_snapshot().await.unwrap().expect("something is applied");
            let content = replacing(group.replica.keys, &snapshot.snapshot).unwrap();
            assert!(content.0.len() > 1, "start {start}");
        }
        shards.close().await;
    }
}
