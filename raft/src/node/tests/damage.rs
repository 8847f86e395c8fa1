//! A flipped bit in a stored record: its key is named, and its value is never served.

use model::{Offset, Sequence, cursor::Position, delivery::Change, maintenance::Maintenance};

use super::*;
use crate::{
    command::SinkChange,
    disk::Space,
    error::ReadError,
    fixture::stored,
    query::Consistency,
    store::{
        keys::{Keys, Kind},
        record::show,
    },
};

const SHARD: ShardId = ShardId(0);

fn keys() -> Keys {
    Keys::new(1)
}

/// A shard with at least one record of each kind that a shard stores.
async fn lived(disk: &Arc<MemoryDisk>, clock: &Arc<ManualClock>) -> Shards {
    let shared: Arc<dyn Disk> = Arc::<MemoryDisk>::clone(disk);
    let shards = Shards::open(in_memory(1, shared, clock)).await.unwrap();
    live(&shards, clock, 2).await;
    let slower = model::ResourceSpec { interval: Millis::from_secs(2), ..spec("r1") };
    shards.declare(registration(slower), None).await.unwrap();
    let begins = Change::Take { after: 0 };
    let cursor = SinkChange { sink: "file".to_owned(), from: Offset(2), change: begins };
    shards.propose(SHARD, Command::ChangeSink(cursor)).await.unwrap();
    let window = Maintenance {
        name: "m".to_owned(),
        selector: None,
        resource_ids: ["r9".parse().unwrap()].into(),
        starts_at: WallTime(0),
        ends_at: WallTime(1_000_000),
        reason: String::new(),
    };
    shards.set_maintenance("m", Some(window), None).await.unwrap().unwrap();
    let staged = Command::StageConfig { version: 1, part: 0, specs: vec![spec("r7")] };
    shards.propose(SHARD, staged).await.unwrap();
    shards
}

/// The last record of a kind, which for entries is the one that opening reads.
fn last_of(disk: &MemoryDisk, space: Space, kind: Kind) -> Vec<u8> {
    let of_kind = |(key, _): &(Vec<u8>, Vec<u8>)| key[8] == kind as u8;
    let mut found = stored(disk, space, keys());
    found.retain(of_kind);
    found.pop().unwrap_or_else(|| panic!("no {kind:?} is stored")).0
}

#[tokio::test]
async fn damage_in_any_kind_of_record_is_found_when_the_node_starts() {
    let (disk, clock) = (Arc::new(MemoryDisk::new()), Arc::new(ManualClock::default()));
    let shards = lived(&disk, &clock).await;
    shards.group(SHARD).raft.trigger().snapshot().await.unwrap();
    restart::purge(shards.group(SHARD)).await;
    declare(&shards, "after-the-purge").await.unwrap();
    shards.close().await;
    let state = [
        Kind::Applied,
        Kind::Head,
        Kind::Spec,
        Kind::State,
        Kind::Run,
        Kind::Epoch,
        Kind::Outbox,
        Kind::EventIndex,
        Kind::Sink,
        Kind::Change,
        Kind::Request,
        Kind::Maintenance,
        Kind::Staged,
    ];
    let log = [Kind::Entry, Kind::Vote, Kind::Purged, Kind::Committed];
    let all = state.map(|kind| (Space::State, kind)).into_iter();
    for (number, (space, kind)) in all.chain(log.map(|kind| (Space::Log, kind))).enumerate() {
        let key = last_of(&disk, space, kind);
        let bit = number * 13;
        assert!(disk.flip_bit(space, &key, bit));
        let reopened = Shards::open(in_memory(1, Arc::<MemoryDisk>::clone(&disk), &clock)).await;
        let Some(OpenError::Corrupt(detail)) = reopened.as_ref().err() else {
            panic!("{kind:?}: {:?}", reopened.err());
        };
        assert!(detail.contains(&show(&key)), "{kind:?}: {detail}");
        assert!(disk.flip_bit(space, &key, bit), "the bit is flipped back");
    }
    let shards = Shards::open(in_memory(1, disk, &clock)).await.unwrap();
    shards.close().await;
}

fn names(key: &[u8], answer: Result<(), ReadError>) {
    match answer {
        Err(ReadError::Corrupt(detail)) => assert!(detail.contains(&show(key)), "{detail}"),
        other => panic!("{}: {other:?}", show(key)),
    }
}

#[tokio::test]
async fn damage_under_a_running_node_fails_the_read_that_touches_it() {
    let (disk, clock) = (Arc::new(MemoryDisk::new()), Arc::new(ManualClock::default()));
    let shards = lived(&disk, &clock).await;
    let id: ResourceId = "r1".parse().unwrap();
    let past = Millis::from_secs(3_600);
    for kind in [Kind::Outbox, Kind::EventIndex, Kind::Change, Kind::Run, Kind::Epoch] {
        let key = last_of(&disk, Space::State, kind);
        assert!(disk.flip_bit(Space::State, &key, 21));
        let answer = match kind {
            Kind::Outbox => shards.outbox(SHARD, Offset(0), 1_000).await.map(|_| ()),
            Kind::EventIndex => {
                shards.events(&id, Sequence(0), 1_000, Consistency::Stale).await.map(|_| ())
            }
            Kind::Change => shards.changes(SHARD, Position::default(), 1_000).map(|_| ()),
            _ => shards.coverage(past, None).await.map(|_| ()),
        };
        names(&key, answer);
        disk.flip_bit(Space::State, &key, 21);
    }
    let key = last_of(&disk, Space::State, Kind::Outbox);
    disk.flip_bit(Space::State, &key, 21);
    names(&key, shards.events(&id, Sequence(0), 1_000, Consistency::Stale).await.map(|_| ()));
    names(&key, shards.outbox(SHARD, Offset(0), 1_000).await.map(|_| ()));
    disk.flip_bit(Space::State, &key, 21);
    shards.close().await;
}
