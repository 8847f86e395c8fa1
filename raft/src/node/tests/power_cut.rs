//! Power cuts in the middle of writing: everything that was acknowledged is there.

use std::{collections::BTreeMap, time::Duration};

use model::{Generation, Sequence};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::*;
use crate::{
    command::DeclareOutcome,
    disk::CutDisk,
    fixture::seed,
    query::Consistency,
};

const ROUNDS: u32 = 50;
const WRITERS: u32 = 4;

/// What callers were told.
#[derive(Default)]
struct Told {
    declared: BTreeMap<ResourceId, Generation>,
    /// The last slot that was taken in, and how it ended.
    observed: BTreeMap<ResourceId, (u64, bool)>,
    revision: BTreeMap<ShardId, u64>,
}

type Acknowledged = Arc<Mutex<Told>>;

/// Declares and observes until nothing is answered any more.
async fn write(shards: Shards, clock: Arc<ManualClock>, told: Acknowledged, name: String) {
    for number in 0.. {
        let id: ResourceId = format!("{name}-{number}").parse().unwrap();
        let Ok(answer) = declare(&shards, id.as_str()).await else { return };
        let Reply::Declared { outcome, resource } = answer.reply else { panic!("{answer:?}") };
        assert_eq!(outcome, DeclareOutcome::Created);
        {
            let mut told = told.lock();
            let newest = told.revision.entry(answer.shard).or_default();
            *newest = answer.revision.0.max(*newest);
            told.declared.insert(id.clone(), resource.identity.generation);
        }
        for passed in [true, false, number % 2 == 0] {
            clock.pass(1_000);
            let Ok(slot) = observe(&shards, &id, passed).await else { return };
            told.lock().observed.insert(id.clone(), (slot, passed));
        }
    }
}

async fn check(shards: &Shards, told: &Told) {
    for (shard, revision) in &told.revision {
        assert!(shards.applied(*shard).borrow().0 >= *revision, "shard {shard}");
    }
    for (id, generation) in &told.declared {
        let row = shards.get(id, Consistency::Linearizable).await.unwrap().value;
        let resource = row.unwrap_or_else(|| panic!("{id} is lost")).resource;
        assert_eq!(resource.identity.generation, *generation, "{id}");
        if let Some((slot, passed)) = told.observed.get(id) {
            assert!(resource.state.ledger.next() > *slot, "slot {slot} of {id} is lost");
            // A result behind the last acknowledged one may have been written, too.
            let exact = resource.state.ledger.next() == slot + 1;
            let healthy = resource.status() == model::HealthStatus::Healthy;
            assert!(!exact || healthy == *passed, "{id} ended {passed}: {:?}", resource.status());
        }
        let events = shards.events(id, Sequence(0), 100, Consistency::Stale).await.unwrap();
        let sequences: Vec<u64> = events.value.unwrap().iter().map(|e| e.sequence.0).collect();
        assert_eq!(sequences, (1..=resource.state.sequence.0).collect::<Vec<_>>(), "{id}");
    }
    let coverage = shards.coverage(Millis::from_secs(86_400), None).await.unwrap();
    assert!(coverage.value.unwrap().coverage.adds_up());
}

/// One life of the node; the power is cut somewhere in it.
async fn round(memory: &Arc<MemoryDisk>, clock: &Arc<ManualClock>, told: &Acknowledged, n: u32, operations: u64) {
    let power = CutDisk::over(memory);
    let disk: Arc<dyn Disk> = Arc::<CutDisk>::clone(&power);
    let options = Options { fatal: Arc::new(|_| {}), ..in_memory(2, disk, clock) };
    let t0 = std::time::Instant::now();
    let shards = Shards::open(options).await.unwrap();
    eprintln!("open {:?}", t0.elapsed());
    {
        let told = std::mem::take(&mut *told.lock());
        check(&shards, &told).await;
    }
    power.cut_after(operations);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (shards, clock, told) = (shards.clone(), Arc::clone(clock), Arc::clone(told));
        writers.spawn(write(shards, clock, told, format!("n{n}-w{writer}")));
    }
    let stopped = async { while writers.join_next().await.transpose().unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), stopped).await.expect("writers are answered");
    eprintln!("all {:?} told {}", t0.elapsed(), told.lock().declared.len());
    assert!(power.is_off());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_survives_power_cuts_at_any_moment() {
    let seed = seed();
    eprintln!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (memory, clock) = (Arc::new(MemoryDisk::new()), Arc::new(ManualClock::default()));
    let told = Acknowledged::default();
    for n in 0..ROUNDS {
        round(&memory, &clock, &told, n, random.random_range(1..80)).await;
    }
}
