//! Power cuts in the middle of writing: everything that was acknowledged is there.

use std::{collections::BTreeMap, time::Duration};

use model::{Generation, Sequence};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::*;
use crate::{command::DeclareOutcome, disk::CutDisk, fixture::seed, query::Consistency};

const ROUNDS: u32 = 50;
const WRITERS: u32 = 4;

/// What callers were told.
#[derive(Clone, Default)]
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
        let row = shards.get(id, Consistency::Stale).await.unwrap().value;
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
        let sequences: Vec<u64> =
            events.value.unwrap().iter().map(|e| e.event.sequence.0).collect();
        assert_eq!(sequences, (1..=resource.state.sequence.0).collect::<Vec<_>>(), "{id}");
    }
    let coverage = shards.coverage(Millis::from_secs(86_400), None).await.unwrap();
    assert!(coverage.value.unwrap().coverage.adds_up());
}

/// One life of the node; the power is cut somewhere in it.
async fn round(
    (memory, clock): (&Arc<MemoryDisk>, &Arc<ManualClock>),
    told: &Acknowledged,
    n: u32,
    operations: u64,
) {
    let power = CutDisk::over(memory);
    let disk: Arc<dyn Disk> = Arc::<CutDisk>::clone(&power);
    let options = Options { fatal: Arc::new(|_| {}), ..in_memory(2, disk, clock) };
    let shards = Shards::open(options).await.unwrap();
    let so_far = told.lock().clone();
    check(&shards, &so_far).await;
    power.cut_after(operations);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (shards, clock, told) = (shards.clone(), Arc::clone(clock), Arc::clone(told));
        writers.spawn(write(shards, clock, told, format!("n{n}-w{writer}")));
    }
    // Those who wait for an answer wait for ever: a process would be gone.
    tokio::time::timeout(Duration::from_secs(20), power.is_off()).await.expect("writers write");
    writers.abort_all();
    while let Some(ended) = writers.join_next().await {
        assert!(!ended.is_err_and(|error| error.is_panic()), "a writer was told nonsense");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the seed repeats a failure")]
async fn everything_acknowledged_survives_power_cuts_at_any_moment() {
    let seed = seed();
    eprintln!("BELLWETHER_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (memory, clock) = (Arc::new(MemoryDisk::new()), Arc::new(ManualClock::default()));
    let told = Acknowledged::default();
    for n in 0..ROUNDS {
        round((&memory, &clock), &told, n, random.random_range(1..100)).await;
    }
    assert!(told.lock().observed.len() > ROUNDS as usize);
}
