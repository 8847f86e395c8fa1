//! One node's groups from the outside: writes, reads, changes, restarts.

use std::{path::Path, sync::Arc};

use bellwether_raft::{
    ChangeKind, Command, Consistency, DeclareOutcome, Filter, ListQuery, OpenError, Options,
    Precondition, Refusal, Registration, Removal, Reply, Report, ReportBody, ReportReply, Shards,
};
use model::{
    CheckSpec, HealthStatus, Millis, Owner, Policy, ResourceSpec, ResourceType, Sequence,
    check::TcpCheck, outcome::Outcome,
};

fn spec(id: &str) -> ResourceSpec {
    ResourceSpec {
        id: id.parse().unwrap(),
        resource_type: ResourceType::Endpoint,
        name: id.to_owned(),
        namespace: None,
        cluster_id: None,
        labels: [("team", "shop".into())].into_iter().collect(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Tcp(TcpCheck {
            address: "127.0.0.1:1".to_owned(),
            send: None,
            expect: None,
        }),
        interval: Millis(100),
        timeout: Millis(100),
        policy: Policy {
            failures: 1,
            successes: 1,
            stale_after: Millis::from_secs(3_600),
            thresholds: Default::default(),
            flapping: None,
        },
    }
}

fn on_disk(path: &Path) -> Options {
    let memory = Options::in_memory("home", 4);
    Options { data_dir: Some(path.to_owned()), disk: None, ..memory }
}

async fn declare(shards: &Shards, id: &str) -> (DeclareOutcome, Box<model::Resource>) {
    let registration =
        Registration { spec: spec(id), owner: Owner::Api, precondition: Precondition::None };
    match shards.declare(registration, None).await.unwrap().reply {
        Reply::Declared { outcome, resource } => (outcome, resource),
        other => panic!("{other:?}"),
    }
}

/// Reports for the first slot that is open and due, and says which one that was.
async fn report(shards: &Shards, id: &str, outcome: Outcome) -> (u64, ReportReply) {
    let row = get(shards, id).await.unwrap();
    let ledger = &row.state.ledger;
    let slot = ledger.next();
    let shard = shards.shard_of(row.id());
    loop {
        let now = shards.status()[shard.0 as usize].time;
        if ledger.epoch().due(slot) <= now {
            break;
        }
        shards.propose(shard, Command::Tick).await.unwrap();
    }
    let body =
        ReportBody::Result { outcome, metrics: Default::default(), observed_at: shards.now() };
    (slot, send(shards, &row, slot, body).await)
}

async fn send(shards: &Shards, row: &model::Resource, slot: u64, body: ReportBody) -> ReportReply {
    let report = Report {
        resource: row.id().clone(),
        incarnation: row.identity.incarnation,
        generation: row.identity.generation.0,
        term: shards.status()[shards.shard_of(row.id()).0 as usize].term.0,
        epoch: row.state.ledger.epoch().number,
        slot,
        body,
    };
    let shard = shards.shard_of(row.id());
    match shards.propose(shard, Command::Observe(vec![report])).await.unwrap().reply {
        Reply::Observed(mut replies) => replies.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn get(shards: &Shards, id: &str) -> Option<Arc<model::Resource>> {
    let read = shards.get(&id.parse().unwrap(), Consistency::Linearizable).await.unwrap();
    read.value.map(|row| row.resource)
}

#[tokio::test]
async fn a_declared_resource_is_read_listed_and_removed() {
    let shards = Shards::open(Options::in_memory("home", 4)).await.unwrap();
    assert_eq!(declare(&shards, "a").await.0, DeclareOutcome::Created);
    assert_eq!(declare(&shards, "a").await.0, DeclareOutcome::Unchanged);
    for n in 0..25 {
        declare(&shards, &format!("b{n:02}")).await;
    }
    let mut query = ListQuery {
        filter: Filter { labels: "team=shop".parse().unwrap(), ..Filter::default() },
        limit: 10,
        ..ListQuery::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = shards.list(&query).await.unwrap().value;
        ids.extend(page.rows.iter().map(|row| row.resource.id().to_string()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(ids.len(), 26);
    assert!(ids.is_sorted());
    let removal = Removal {
        id: "a".parse().unwrap(),
        owner: Owner::Config,
        precondition: Precondition::None,
    };
    let refused = shards.remove(removal.clone(), None).await.unwrap().reply;
    assert_eq!(refused, Reply::Refused(Refusal::OwnedBy(Owner::Api)));
    let removal = Removal { owner: Owner::Api, ..removal };
    assert!(matches!(shards.remove(removal, None).await.unwrap().reply, Reply::Removed { .. }));
    assert_eq!(get(&shards, "a").await, None);
    shards.close().await;
}

#[tokio::test]
async fn semantics_17_a_repeated_request_is_answered_from_its_outcome() {
    let shards = Shards::open(Options::in_memory("home", 1)).await.unwrap();
    let registration =
        Registration { spec: spec("a"), owner: Owner::Api, precondition: Precondition::Absent };
    let key = Some("k1".to_owned());
    let first = shards.declare(registration.clone(), key.clone()).await.unwrap().reply;
    let again = shards.declare(registration.clone(), key).await.unwrap().reply;
    assert_eq!(first, again);
    let fresh = shards.declare(registration, Some("k2".to_owned())).await.unwrap().reply;
    assert!(matches!(fresh, Reply::Refused(Refusal::Precondition(Some(_)))));
    shards.close().await;
}

#[tokio::test]
async fn semantics_6_a_slot_takes_one_result_and_a_former_life_none() {
    let shards = Shards::open(Options::in_memory("home", 1)).await.unwrap();
    let (_, old) = declare(&shards, "a").await;
    let (slot, reply) = report(&shards, "a", Outcome::critical("refused")).await;
    assert_eq!(reply, ReportReply::Accepted);
    let row = get(&shards, "a").await.unwrap();
    assert_eq!((row.status(), row.state.sequence), (HealthStatus::Critical, Sequence(2)));
    let body = ReportBody::Missed { reason: model::Miss::Crashed };
    assert!(matches!(send(&shards, &row, slot, body.clone()).await, ReportReply::Stale(_)));
    let removal =
        Removal { id: "a".parse().unwrap(), owner: Owner::Api, precondition: Precondition::None };
    shards.remove(removal, None).await.unwrap();
    declare(&shards, "a").await;
    assert!(matches!(send(&shards, &old, 0, body).await, ReportReply::Stale(_)));
    shards.close().await;
}

#[tokio::test]
async fn everything_acknowledged_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let shards = Shards::open(on_disk(directory.path())).await.unwrap();
    let cluster = shards.cluster().clone();
    for n in 0..20 {
        declare(&shards, &format!("r{n}")).await;
    }
    report(&shards, "r7", Outcome::critical("refused")).await;
    let before = get(&shards, "r7").await.unwrap();
    let cursor = shards.cursor();
    assert!(matches!(
        Shards::open(on_disk(directory.path())).await.err(),
        Some(OpenError::InUse(_))
    ));
    shards.close().await;
    drop(shards);
    let shards = Shards::open(on_disk(directory.path())).await.unwrap();
    assert_eq!(shards.cluster(), &cluster);
    let query = ListQuery { limit: 100, ..ListQuery::default() };
    assert_eq!(shards.list(&query).await.unwrap().value.rows.len(), 20);
    assert_eq!(get(&shards, "r7").await.unwrap(), before);
    shards.check_cursor(&cursor).await.unwrap();
    report(&shards, "r7", Outcome::passed()).await;
    let shard = shards.shard_of(&"r7".parse().unwrap());
    let page = shards.changes(shard, cursor.shards[&shard], 100).unwrap();
    let kinds: Vec<_> = page.changes.iter().map(|change| change.kind).collect();
    assert!(kinds.contains(&ChangeKind::Transition), "{kinds:?}");
    let events =
        shards.events(&"r7".parse().unwrap(), Sequence(0), 10, Consistency::Stale).await.unwrap();
    let sequences: Vec<_> =
        events.value.unwrap().iter().map(|stored| stored.event.sequence.0).collect();
    assert_eq!(sequences, [1, 2, 3]);
    let coverage = shards.coverage(Millis::from_secs(3_600), None).await.unwrap().value.unwrap();
    assert!(coverage.coverage.adds_up(), "{coverage:?}");
    shards.close().await;
}

#[tokio::test]
async fn a_configuration_is_adopted_as_a_whole_and_leaves_others_alone() {
    let shards = Shards::open(Options::in_memory("home", 4)).await.unwrap();
    declare(&shards, "mine").await;
    let first = [spec("a"), spec("b"), spec("mine")];
    let outcome = shards.load_config("d1", "{}", "test", &first).await.unwrap();
    assert_eq!((outcome.version, outcome.changed), (1, true));
    assert_eq!(outcome.skipped, ["mine".parse().unwrap()]);
    assert!(!shards.load_config("d1", "{}", "test", &first).await.unwrap().changed);
    let outcome = shards.load_config("d2", "{}", "test", &[spec("b"), spec("c")]).await.unwrap();
    assert_eq!(outcome.version, 2);
    assert!(get(&shards, "a").await.is_none());
    assert_eq!(get(&shards, "b").await.unwrap().identity.owner, Owner::Config);
    assert_eq!(get(&shards, "mine").await.unwrap().identity.owner, Owner::Api);
    let status = shards.config().await.unwrap().value;
    assert!(status.shards.iter().all(|(_, version)| *version == 2), "{status:?}");
    shards.close().await;
}
