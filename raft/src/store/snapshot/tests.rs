//! Snapshots travel whole, to their own group, or not at all.

use std::sync::Arc;

use futures_util::stream;
use model::{
    Millis, NodeId, Offset, Outcome, WallTime, delivery::Change, event::ClusterIdentity,
    maintenance::Maintenance,
};
use openraft::{RaftSnapshotBuilder, storage::RaftStateMachine};

use super::*;
use crate::{
    applier::Applier,
    command::{
        Command, Envelope, Founding, Proposal, Reply, Report, ReportBody, SinkChange, Stamp,
    },
    disk::{CutDisk, Disk, MemoryDisk},
    fixture::{Stored, register, spec, stored},
    machine::{Machine, Replica},
    types::{Entry, LogEntry, Payload, StoredLogId},
};

struct Node {
    memory: Arc<MemoryDisk>,
    power: Arc<CutDisk>,
    replica: Arc<Replica>,
    machine: Machine,
}

impl Node {
    fn fresh(group: u64) -> Self {
        Self::over(group, Arc::new(MemoryDisk::new()))
    }

    fn over(group: u64, memory: Arc<MemoryDisk>) -> Self {
        let power = CutDisk::over(&memory);
        let disk: Arc<dyn Disk> = Arc::<CutDisk>::clone(&power);
        let replica = Replica::load(group, disk, Arc::new(|_| {})).unwrap();
        let machine = Machine::new(Arc::clone(&replica));
        Self { memory, power, replica, machine }
    }

    async fn apply(&mut self, index: u64, envelopes: Vec<Envelope>) {
        let stamp = Stamp {
            node: NodeId(1),
            first_of_term: index == 1,
            elapsed: if index == 1 { 0 } else { index * 1_000 },
            boot: 1,
            boot_millis: 0,
            wall: WallTime(1_000),
        };
        let payload = Payload::Proposal(Proposal { stamp, envelopes: envelopes.into() });
        let entry: Entry = LogEntry { id: StoredLogId { term: 1, index }, payload }.into();
        self.machine.apply(stream::iter([Ok((entry, None))])).await.unwrap();
    }

    async fn snapshot(&mut self) -> Snapshot {
        self.machine.build_snapshot().await.unwrap()
    }

    async fn install(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.machine.install_snapshot(&snapshot.meta, snapshot.snapshot.clone()).await
    }

    /// All that is in memory and on the disk.
    fn content(&self) -> (String, Stored) {
        let state = format!("{:#?}", *self.replica.state.read());
        (state, stored(self.memory.as_ref(), Space::State, self.replica.keys))
    }

    fn restarted(&self) -> Self {
        Self::over(self.replica.keys.group(), Arc::clone(&self.memory))
    }
}

fn asked(request: &str, command: Command) -> Envelope {
    Envelope { request: Some(request.to_owned()), command }
}

fn window() -> Command {
    let window = Maintenance {
        name: "m".to_owned(),
        selector: None,
        resource_ids: ["b".parse().unwrap()].into(),
        starts_at: WallTime(1_000),
        ends_at: WallTime(1_000).plus(Millis::from_secs(60)),
        reason: String::new(),
    };
    Command::AdoptMaintenance { name: "m".to_owned(), version: 3, window: Some(window) }
}

/// A group with something of everything.
async fn lived(group: u64) -> Node {
    let mut node = Node::fresh(group);
    let cluster =
        ClusterIdentity { id: uuid::Uuid::from_u128(1), incarnation: 1, name: "t".to_owned() };
    let founding = Command::Found(Founding { cluster, shards: 1 });
    node.apply(1, vec![Command::TermStarted.into()]).await;
    node.apply(2, vec![founding.into()]).await;
    let declared = ["z", "a", "b"].map(|id| asked(&format!("key-{id}"), register(spec(id))));
    node.apply(3, declared.to_vec()).await;
    for index in 4..9 {
        let report = report(&node, index);
        node.apply(index, vec![Command::Observe(vec![report]).into()]).await;
    }
    let begins = Change::Take { after: 0 };
    let cursor = SinkChange { sink: "file".to_owned(), from: Offset(2), change: begins };
    node.apply(9, vec![Command::ChangeSink(cursor).into(), window().into()]).await;
    node
}

fn report(node: &Node, index: u64) -> Report {
    let state = node.replica.state.read();
    let resource = &state.resources["a"];
    let epoch = resource.state.ledger.epoch();
    let now = state.head.term_began.plus(Millis(index * 1_000));
    let outcome =
        if index.is_multiple_of(2) { Outcome::passed() } else { Outcome::critical("refused") };
    let metrics = Default::default();
    Report {
        resource: resource.id().clone(),
        incarnation: resource.identity.incarnation,
        generation: resource.identity.generation.0,
        term: 1,
        epoch: epoch.number,
        slot: epoch.current(now).unwrap(),
        body: ReportBody::Result { outcome, metrics, observed_at: WallTime(1_000) },
    }
}

#[tokio::test]
async fn an_installed_snapshot_is_the_state_that_was_packed() {
    let mut node = lived(1).await;
    let snapshot = node.snapshot().await;
    let mut other = Node::fresh(1);
    // What was there before leaves no trace.
    other.apply(1, vec![Command::TermStarted.into()]).await;
    other.install(&snapshot).await.unwrap();
    assert_eq!(other.content(), node.content());
    let state = other.replica.state.read().clone();
    assert_eq!((state.resources.len(), state.sinks.len(), state.maintenance.len()), (3, 1, 1));
    let asked = |node: &Node| {
        let key = node.replica.keys.text(Kind::Request, "key-z");
        node.replica.state.read().requests.get("key-z", &key).unwrap()
    };
    let Some(Reply::Declared { resource, .. }) = asked(&node) else { panic!("it was declared") };
    assert_eq!(resource.id().as_str(), "z");
    assert_eq!(asked(&other), asked(&node));
    assert_eq!(other.replica.revision().0, 9);
    assert_eq!(other.snapshot().await.meta, snapshot.meta);
    let restarted = other.restarted();
    assert_eq!(restarted.content(), node.content());
    assert_eq!(asked(&restarted), asked(&node));
}

#[tokio::test]
async fn a_snapshot_of_another_group_is_refused() {
    let snapshot = lived(2).await.snapshot().await;
    let mut node = lived(1).await;
    let before = node.content();
    let error = node.install(&snapshot).await.unwrap_err().to_string();
    assert!(error.contains("group 1"), "{error}");
    assert_eq!(node.content(), before);
}

#[tokio::test]
async fn a_description_without_content_cannot_be_installed() {
    let mut source = lived(1).await;
    let (mut machine, starting) =
        Machine::starting(Arc::clone(&source.replica), Applier::start().unwrap());
    let described = machine.get_current_snapshot().await.unwrap().unwrap();
    starting.over();
    let whole = machine.get_current_snapshot().await.unwrap().unwrap();
    assert!(described.snapshot.is_empty() && !whole.snapshot.is_empty());
    assert_eq!(described.meta, source.snapshot().await.meta);
    let mut node = Node::fresh(1);
    node.apply(1, vec![Command::TermStarted.into()]).await;
    let before = node.content();
    assert!(node.install(&described).await.is_err());
    assert_eq!(node.content(), before);
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_leaves_what_was() {
    let good = lived(1).await.snapshot().await;
    let mut node = Node::fresh(1);
    node.apply(1, vec![Command::TermStarted.into()]).await;
    let before = node.content();
    let (size, plain) = (good.snapshot.len(), unpack(&good.snapshot).unwrap());
    for at in (0..size).step_by(size / 60 + 1) {
        let mut flipped = good.clone();
        flipped.snapshot[at] ^= 1 << (at % 8);
        let mut cut = good.clone();
        cut.snapshot.truncate(at);
        for (what, damaged) in [("flipped", flipped), ("cut", cut)] {
            if unpack(&damaged.snapshot).is_ok_and(|same| same == plain) {
                // A bit of the frame that means nothing.
                continue;
            }
            assert!(node.install(&damaged).await.is_err(), "{what} at {at} of {size}");
            assert_eq!(node.content(), before, "{what} at {at}");
        }
    }
    node.install(&good).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_does_not_travel_in_a_snapshot() {
    let mut node = lived(1).await;
    let key = node.replica.keys.number(Kind::Outbox, 1);
    assert!(node.memory.flip_bit(Space::State, &key, 77));
    let error = node.machine.build_snapshot().await.err().unwrap().to_string();
    assert!(error.contains(&crate::store::record::show(&key)), "{error}");
}

#[tokio::test]
async fn a_power_cut_during_an_installation_leaves_the_former_state_or_the_new_one() {
    let mut source = lived(1).await;
    let snapshot = source.snapshot().await;
    for operations in 1..=3 {
        let mut node = Node::fresh(1);
        node.apply(1, vec![Command::TermStarted.into()]).await;
        node.memory.flush_applied().unwrap();
        let before = node.restarted().content();
        // The batch is the first operation, its fsync the second.
        node.power.cut_after(operations);
        let installed = node.install(&snapshot).await.is_ok();
        node.power.cut();
        let after = if installed { source.content() } else { before };
        assert_eq!(node.restarted().content(), after, "cut before operation {operations}");
        assert_eq!(installed, operations == 3);
    }
}
