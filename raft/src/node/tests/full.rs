//! A disk that runs full and gets room again.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use model::Miss;

use super::*;
use crate::{query::Consistency, room::Extent};

/// A file system of 1,000 MiB, of which so many are free.
fn gauged(free: &Arc<AtomicU64>, clock: &Arc<ManualClock>) -> Options {
    let free = Arc::clone(free);
    let measured = move || Ok(Extent { free: free.load(SeqCst) << 20, total: 1_000 << 20 });
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    Options { disk_gauge: Some(Arc::new(measured)), ..in_memory(1, disk, clock) }
}

async fn until(shards: &Shards, full: bool) {
    for _ in 0..500 {
        if shards.disk_room().unwrap().full == full {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the watch does not see that the disk is {}full", if full { "" } else { "not " });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_keeps_reads_and_recovers() {
    let (free, clock) = (Arc::new(AtomicU64::new(500)), Arc::default());
    let shards = Shards::open(gauged(&free, &clock)).await.unwrap();
    declare(&shards, "a").await.unwrap();
    free.store(49, SeqCst);
    until(&shards, true).await;
    let refused = declare(&shards, "b").await.unwrap_err();
    assert!(matches!(refused, ProposeError::DiskFull { free, .. } if free == 49 << 20));
    let read = shards.get(&"a".parse().unwrap(), Consistency::Linearizable).await.unwrap();
    assert!(read.value.is_some(), "reads go on");
    free.store(63, SeqCst);
    until(&shards, false).await;
    declare(&shards, "b").await.unwrap();
    shards.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_could_not_be_recorded_are_missed_for_overload() {
    let (free, clock) = (Arc::new(AtomicU64::new(500)), Arc::<ManualClock>::default());
    let shards = Shards::open(gauged(&free, &clock)).await.unwrap();
    let id: ResourceId = "a".parse().unwrap();
    declare(&shards, "a").await.unwrap();
    clock.pass(1_000);
    let first = observe(&shards, &id, true).await.unwrap();
    free.store(1, SeqCst);
    until(&shards, true).await;
    clock.pass(1_000);
    observe(&shards, &id, true).await.unwrap_err();
    free.store(500, SeqCst);
    until(&shards, false).await;
    clock.pass(1_000);
    assert_eq!(observe(&shards, &id, true).await, Ok(first + 2));
    let report = shards.coverage(Millis::from_secs(3_600), Some(&id)).await.unwrap();
    let coverage = report.value.unwrap().coverage;
    assert!(coverage.adds_up(), "{coverage:?}");
    assert_eq!(coverage.missed.get(&Miss::Overload), Some(&1), "{coverage:?}");
    shards.close().await;
}

#[tokio::test]
async fn a_disk_without_room_is_not_opened() {
    let (free, clock) = (Arc::new(AtomicU64::new(1)), Arc::default());
    let refused = Shards::open(gauged(&free, &clock)).await.err().unwrap();
    assert!(matches!(refused, OpenError::DiskFull { .. }), "{refused}");
}
