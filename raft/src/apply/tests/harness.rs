//! A log of one shard in memory, and scripts that are random but readable when they fail.

use std::{ops::ControlFlow, sync::Arc};

use model::{
    CheckSpec, HealthStatus, Millis, Miss, NodeId, Offset, Outcome, Owner, Policy, Resource,
    ResourceSpec, ResourceType, Revision, ShardTime, Term, WallTime,
    check::{PushCheck, TcpCheck},
    coverage::{Coverage, EpochSpan},
    delivery::Change,
    event::{ClusterIdentity, Event},
    slots::{ClosedEpoch, Run},
};
use proptest::prelude::*;

use crate::{
    command::{
        Command, Founding, Precondition, Proposal, Push, Registration, Removal, Reply, Report,
        ReportBody, SinkChange, Stamp,
    },
    disk::{Batch, Disk, MemoryDisk, Space, View},
    state::{OutboxRecord, State, load},
    store::{
        keys::{Keys, Kind},
        record::{Record, decode},
    },
};

pub(super) struct Harness {
    pub(super) state: State,
    pub(super) disk: MemoryDisk,
    pub(super) keys: Keys,
    index: u64,
    term: u64,
    elapsed: u64,
}

impl Harness {
    pub(super) fn founded() -> Self {
        Self::of_group(1)
    }

    pub(super) fn meta() -> Self {
        Self::of_group(0)
    }

    fn of_group(group: u64) -> Self {
        let mut log = Self {
            state: State::default(),
            disk: MemoryDisk::new(),
            keys: Keys::new(group),
            index: 0,
            term: 0,
            elapsed: 0,
        };
        log.new_term(0);
        let cluster =
            ClusterIdentity { id: uuid::Uuid::from_u128(1), incarnation: 1, name: "t".to_owned() };
        log.apply(Command::Found(Founding { cluster, shards: 1 }));
        log
    }

    /// Sets the time since the term's first command for what follows.
    pub(super) fn at(&mut self, elapsed: u64) -> &mut Self {
        self.elapsed = elapsed;
        self
    }

    pub(super) fn new_term(&mut self, gap: u64) {
        self.term += 1;
        self.elapsed = 0;
        self.propose(true, gap, Command::TermStarted);
    }

    /// The leader of the term opens it once more.
    pub(super) fn open_again(&mut self, gap: u64) {
        self.propose(true, gap, Command::TermStarted);
    }

    pub(super) fn apply(&mut self, command: Command) -> Reply {
        self.propose(false, self.elapsed, command)
    }

    fn propose(&mut self, first_of_term: bool, elapsed: u64, command: Command) -> Reply {
        self.index += 1;
        let wall = WallTime(i64::try_from(self.index).unwrap());
        let stamp =
            Stamp { node: NodeId(1), first_of_term, elapsed, boot: 1, boot_millis: 0, wall };
        let proposal = Proposal { stamp, envelopes: [command.into()].into() };
        let mut batch = Batch::default();
        let at = (Term(self.term), Revision(self.index));
        let mut replies =
            super::apply(&mut self.state, &self.disk, self.keys, &mut batch, at, &proposal)
                .unwrap();
        self.disk.write(&batch).unwrap();
        self.state.applied = self.index;
        replies.remove(0)
    }

    /// Forgets memory and loads it from the store.
    pub(super) fn reload(&mut self) {
        let loaded = load(&self.disk, self.keys).unwrap();
        assert_eq!(loaded.latest, self.state.latest, "what follows from the rows is rebuilt");
        self.state = loaded;
        self.state.applied = self.index;
    }

    pub(super) fn declare(&mut self, id: &str) {
        self.register(spec(id));
    }

    pub(super) fn declare_push(&mut self, id: &str) {
        let check = CheckSpec::Push(PushCheck { ttl: Millis::from_secs(1) });
        self.register(ResourceSpec { check, ..spec(id) });
    }

    pub(super) fn redeclare(&mut self, id: &str, change: impl FnOnce(&mut ResourceSpec)) {
        let mut spec = (*self.resource(id).spec).clone();
        change(&mut spec);
        self.register(spec);
    }

    fn register(&mut self, spec: ResourceSpec) {
        let precondition = Precondition::None;
        let registration = Registration { spec, owner: Owner::Api, precondition };
        self.apply(Command::Register(Box::new(registration)));
    }

    pub(super) fn remove(&mut self, id: &str) {
        let (id, owner) = (id.parse().unwrap(), Owner::Api);
        self.apply(Command::Remove(Removal { id, owner, precondition: Precondition::None }));
    }

    pub(super) fn result(&mut self, id: &str, outcome: Outcome) {
        let observed_at = self.state.head.wall;
        self.report(id, ReportBody::Result { outcome, metrics: Default::default(), observed_at });
    }

    pub(super) fn report(&mut self, id: &str, body: ReportBody) {
        let report = self.report_of(id, self.elapsed, body);
        self.apply(Command::Observe(vec![report]));
    }

    /// A report for the slot that is due when the term is `elapsed` old.
    pub(super) fn report_of(&self, id: &str, elapsed: u64, body: ReportBody) -> Report {
        let resource = self.resource(id);
        let now = self.state.head.term_began.plus(Millis(elapsed)).max(self.state.head.time);
        let epoch = resource.state.ledger.epoch();
        Report {
            resource: resource.id().clone(),
            incarnation: resource.identity.incarnation,
            generation: resource.identity.generation.0,
            term: self.term,
            epoch: epoch.number,
            slot: epoch.current(now).unwrap_or(0),
            body,
        }
    }

    pub(super) fn push(&mut self, id: &str, observed_at: i64) -> Reply {
        let push = Push {
            resource: id.parse().unwrap(),
            outcome: Outcome::passed(),
            metrics: Default::default(),
            observed_at: WallTime(observed_at),
        };
        self.apply(Command::Push(Box::new(push)))
    }

    pub(super) fn sink(&mut self, sink: &str, from: u64, change: Change<String>) -> Reply {
        let (sink, from) = (sink.to_owned(), Offset(from));
        self.apply(Command::ChangeSink(SinkChange { sink, from, change }))
    }

    pub(super) fn resource(&self, id: &str) -> Arc<Resource> {
        Arc::clone(&self.state.resources[&id.parse::<model::ResourceId>().unwrap()])
    }

    pub(super) fn status(&self, id: &str) -> HealthStatus {
        self.resource(id).status()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.outbox().into_iter().map(|record| record.event).collect()
    }

    pub(super) fn outbox(&self) -> Vec<OutboxRecord> {
        self.records(self.keys.all(Kind::Outbox))
    }

    pub(super) fn runs(&self, id: &str) -> Vec<Run> {
        let from = self.keys.resource(Kind::Run, &id.parse().unwrap());
        let to = crate::store::keys::after(&from);
        let mut runs: Vec<Run> = self.records((from, to));
        runs.extend(self.resource(id).state.ledger.open().copied());
        runs
    }

    pub(super) fn coverage(&self, id: &str) -> Option<Coverage> {
        let resource = self.state.resources.get(&id.parse::<model::ResourceId>().unwrap())?;
        let from = self.keys.resource(Kind::Epoch, resource.id());
        let to = crate::store::keys::after(&from);
        let over: Vec<ClosedEpoch> = self.records((from, to));
        let mut epochs: Vec<_> = over
            .into_iter()
            .map(|over| EpochSpan { epoch: over.epoch, slots: Some(over.slots) })
            .collect();
        let ledger = &resource.state.ledger;
        epochs.push(EpochSpan { epoch: *ledger.epoch(), slots: None });
        let to = ledger.watermark(self.state.head.time);
        Some(Coverage::of(&epochs, &self.runs(id), ShardTime(0), to))
    }

    fn records<R: Record>(&self, (from, to): (Vec<u8>, Vec<u8>)) -> Vec<R> {
        let mut found = Vec::new();
        self.disk
            .scan(Space::State, &from, &to, &mut |key, bytes| {
                found.push(decode(key, bytes).unwrap());
                ControlFlow::Continue(())
            })
            .unwrap();
        found
    }

    /// Everything that is stored.
    pub(super) fn bytes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (from, to) = self.keys.everything();
        let mut found = Vec::new();
        self.disk
            .scan(Space::State, &from, &to, &mut |key, value| {
                found.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        found
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::Pass(millis) => {
                self.elapsed += millis;
                self.apply(Command::Tick);
            }
            Step::NewTerm(gap) => self.new_term(*gap),
            Step::On(id, action) => self.act(&id.to_string(), action),
        }
    }

    fn act(&mut self, id: &str, action: &Action) {
        let there = self.state.resources.contains_key(id);
        match action {
            Action::Declare => self.declare(id),
            _ if !there => {}
            Action::Interval(millis) => {
                self.redeclare(id, |spec| spec.interval = Millis(*millis));
            }
            Action::Remove => self.remove(id),
            Action::Pass => self.result(id, Outcome::passed()),
            Action::Fail => self.result(id, Outcome::critical("refused")),
            Action::Miss => self.report(id, ReportBody::Missed { reason: Miss::Resolver }),
        }
    }
}

pub(super) fn spec(id: &str) -> ResourceSpec {
    let address = "127.0.0.1:1".to_owned();
    ResourceSpec {
        id: id.parse().unwrap(),
        resource_type: ResourceType::Endpoint,
        name: id.to_owned(),
        namespace: None,
        cluster_id: None,
        labels: [("team", "shop".into())].into_iter().collect(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Tcp(TcpCheck { address, send: None, expect: None }),
        interval: Millis::from_secs(1),
        timeout: Millis::from_secs(1),
        policy: Policy {
            failures: 1,
            successes: 1,
            stale_after: Millis::from_secs(3),
            thresholds: Default::default(),
            flapping: None,
        },
    }
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Declare,
    Interval(u64),
    Remove,
    Pass,
    Fail,
    Miss,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Pass(u64),
    NewTerm(u64),
    On(char, Action),
}

/// Steps in order.
#[derive(Debug, Clone)]
pub(super) struct Script(Vec<Step>);

impl Script {
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The same with neighbouring steps of different resources exchanged.
    pub(super) fn swapped(&self) -> Self {
        let mut steps = self.0.clone();
        let mut at = 0;
        while at + 1 < steps.len() {
            if let (Step::On(one, _), Step::On(other, _)) = (&steps[at], &steps[at + 1])
                && one != other
            {
                steps.swap(at, at + 1);
                at += 1;
            }
            at += 1;
        }
        Self(steps)
    }
}

pub(super) fn any_script() -> impl Strategy<Value = Script> {
    let action = prop_oneof![
        2 => Just(Action::Declare),
        1 => (500u64..3_000).prop_map(Action::Interval),
        1 => Just(Action::Remove),
        4 => Just(Action::Pass),
        4 => Just(Action::Fail),
        1 => Just(Action::Miss),
    ];
    let id = prop_oneof![Just('a'), Just('b'), Just('c')];
    let step = prop_oneof![
        3 => (0u64..5_000).prop_map(Step::Pass),
        1 => (0u64..20_000).prop_map(Step::NewTerm),
        12 => (id, action).prop_map(|(id, action)| Step::On(id, action)),
    ];
    prop::collection::vec(step, 0..60).prop_map(Script)
}

pub(super) fn run(script: &Script) -> Harness {
    let mut log = Harness::founded();
    for step in script.steps() {
        log.step(step);
    }
    log
}
