//! Documents that span `meta` and the shards: windows and configurations that a crash has left
//! half-way, and two callers at once.

use model::{HealthStatus, maintenance::Maintenance};

use super::*;
use crate::{
    command::{ConfigDocument, Refusal},
    disk::Space,
    fixture::stored,
    store::keys::Kind,
};

async fn open(shards: u32) -> Shards {
    let clock = Arc::new(ManualClock::default());
    Shards::open(in_memory(shards, Arc::new(MemoryDisk::new()), &clock)).await.unwrap()
}

fn window(shards: &Shards) -> Maintenance {
    Maintenance {
        name: "upgrade".to_owned(),
        selector: Some("team=shop".parse().unwrap()),
        resource_ids: Default::default(),
        starts_at: shards.now(),
        ends_at: WallTime(shards.now().0 + 3_600_000),
        reason: String::new(),
    }
}

/// What the caller's node does before it dies: only `meta` has it.
async fn set_in_meta_alone(shards: &Shards, window: Option<Maintenance>) -> Reply {
    let command = Command::SetMaintenance { name: "upgrade".to_owned(), window };
    shards.meta().propose(command.into()).await.unwrap().reply
}

async fn commit_in_meta_alone(shards: &Shards, replaces: u64, digest: &str) -> Reply {
    let (document, origin) = ("{}".to_owned(), "test".to_owned());
    let document = ConfigDocument { replaces, digest: digest.to_owned(), document, origin };
    shards.meta().propose(Command::SetConfig(Box::new(document)).into()).await.unwrap().reply
}

fn shown(shards: &Shards, id: &str) -> HealthStatus {
    let id: ResourceId = id.parse().unwrap();
    let state = shards.group(shards.shard_of(&id)).replica.state.read();
    state.resources[&id].state.health.status()
}

fn declared(shards: &Shards) -> Vec<String> {
    let mut ids = Vec::new();
    for group in shards.shard_groups() {
        ids.extend(group.replica.state.read().resources.keys().map(ToString::to_string));
    }
    ids.sort();
    ids
}

async fn catch_up(shards: &Shards) {
    for shard in shards.shard_ids() {
        shards.catch_up_maintenance(shard).await.unwrap();
    }
}

#[tokio::test]
async fn semantics_18_shards_that_lack_a_window_are_named_and_take_it_over_from_meta() {
    let shards = open(3).await;
    declare(&shards, "web").await.unwrap();
    let window = window(&shards);
    let reply = set_in_meta_alone(&shards, Some(window.clone())).await;
    let listed = shards.maintenance().await.unwrap().value;
    assert_eq!(listed[0].missing, shards.shard_ids().collect::<Vec<_>>());
    assert_ne!(shown(&shards, "web"), HealthStatus::Maintenance);
    catch_up(&shards).await;
    assert_eq!(shards.maintenance().await.unwrap().value[0].missing, []);
    assert_eq!(shown(&shards, "web"), HealthStatus::Maintenance);
    let again = shards.set_maintenance("upgrade", Some(window), None).await.unwrap().unwrap();
    assert_eq!((Reply::Version(again.version), again.missing), (reply, Vec::new()));
    shards.close().await;
}

#[tokio::test]
async fn semantics_18_a_deletion_that_a_shard_missed_ends_the_window_and_it_stays_ended() {
    let shards = open(3).await;
    declare(&shards, "web").await.unwrap();
    let window = window(&shards);
    let set = shards.set_maintenance("upgrade", Some(window.clone()), None).await.unwrap();
    set_in_meta_alone(&shards, None).await;
    assert_eq!(shards.maintenance().await.unwrap().value, []);
    assert_eq!(shown(&shards, "web"), HealthStatus::Maintenance);
    catch_up(&shards).await;
    assert_ne!(shown(&shards, "web"), HealthStatus::Maintenance);
    let (name, version) = ("upgrade".to_owned(), set.unwrap().version);
    let late = Command::AdoptMaintenance { name, version, window: Some(window) };
    shards.propose(shards.shard_of(&"web".parse().unwrap()), late).await.unwrap();
    assert_ne!(shown(&shards, "web"), HealthStatus::Maintenance);
    shards.close().await;
}

#[tokio::test]
async fn a_window_that_never_was_cannot_be_deleted() {
    let shards = open(1).await;
    let refused = shards.set_maintenance("upgrade", None, None).await.unwrap();
    assert_eq!(refused, Err(Refusal::NotFound));
    assert_eq!(shards.maintenance().await.unwrap().value, []);
    shards.close().await;
}

#[tokio::test]
async fn semantics_19_loading_again_finishes_what_a_crash_has_interrupted() {
    let shards = open(3).await;
    assert_eq!(shards.config().await.unwrap().value.version, 0);
    let specs = ["a", "b", "c", "d", "e"].map(spec);
    assert_eq!(commit_in_meta_alone(&shards, 0, "d1").await, Reply::Version(1));
    let status = shards.config().await.unwrap().value;
    assert!(status.version == 1 && status.shards.iter().all(|(_, adopted)| *adopted == 0));
    let outcome = shards.load_config("d1", "{}", "test", &specs).await.unwrap();
    assert_eq!((outcome.version, outcome.changed), (1, false));
    assert_eq!(declared(&shards), ["a", "b", "c", "d", "e"]);
    let status = shards.config().await.unwrap().value;
    assert!(status.shards.iter().all(|(_, adopted)| *adopted == 1), "{status:?}");
    shards.close().await;
}

#[tokio::test]
async fn semantics_19_of_two_who_load_at_once_one_is_in_force_as_a_whole() {
    let shards = open(3).await;
    let (one, two) = (["a", "b", "c"].map(spec), ["c", "d", "e"].map(spec));
    let (first, second) = tokio::join!(
        shards.load_config("d1", "{}", "one", &one),
        shards.load_config("d2", "{}", "two", &two),
    );
    let mut versions = [first.unwrap().version, second.unwrap().version];
    versions.sort_unstable();
    assert_eq!(versions, [1, 2]);
    let status = shards.config().await.unwrap().value;
    let wanted = if status.origin == "one" { ["a", "b", "c"] } else { ["c", "d", "e"] };
    assert_eq!((status.version, declared(&shards)), (2, wanted.map(str::to_owned).to_vec()));
    shards.close().await;
}

#[tokio::test]
async fn semantics_19_a_document_that_replaces_another_version_is_refused() {
    let shards = open(1).await;
    assert_eq!(commit_in_meta_alone(&shards, 0, "d1").await, Reply::Version(1));
    let late = commit_in_meta_alone(&shards, 0, "d2").await;
    assert_eq!(late, Reply::Refused(Refusal::Version(1)));
    assert_eq!(shards.config().await.unwrap().value.digest, "d1");
    shards.close().await;
}

#[tokio::test]
async fn semantics_19_a_version_with_a_missing_part_is_not_adopted_and_parts_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    let part = |part, id| Command::StageConfig { version: 1, part, specs: vec![spec(id)] };
    let adopt = || Command::AdoptConfig { version: 1, parts: 2 };
    shards.propose(ShardId(0), part(0, "a")).await.unwrap();
    let reply = shards.propose(ShardId(0), adopt()).await.unwrap().reply;
    assert_eq!(reply, Reply::Refused(Refusal::NotStaged(1)));
    assert_eq!(declared(&shards), [""; 0]);
    shards.close().await;
    drop(shards);
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    shards.propose(ShardId(0), part(1, "b")).await.unwrap();
    let reply = shards.propose(ShardId(0), adopt()).await.unwrap().reply;
    assert_eq!((reply, declared(&shards)), (Reply::Version(1), vec!["a".into(), "b".into()]));
    shards.close().await;
}

#[tokio::test]
async fn the_last_twenty_configurations_are_kept_and_the_newest_is_in_force_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path(), Arc::new(ManualClock::default()));
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    for version in 0..23 {
        commit_in_meta_alone(&shards, version, &format!("d{version}")).await;
    }
    let replica = &shards.meta().replica;
    let (from, _) = replica.keys.all(Kind::Config);
    let kept = stored(replica.disk.as_ref(), Space::State, replica.keys);
    assert_eq!(kept.iter().filter(|(key, _)| key.starts_with(&from)).count(), 20);
    shards.close().await;
    drop(shards);
    let shards = Shards::open(on_disk(path, 1, &clock)).await.unwrap();
    let status = shards.config().await.unwrap().value;
    assert_eq!((status.version, status.digest.as_str()), (23, "d22"));
    shards.close().await;
}
