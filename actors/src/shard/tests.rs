use std::time::Duration;

use model::{Millis, Owner};
use raft::{Command, Consistency, Options, Precondition, Registration, Role};
use tokio::{net::TcpListener, time::timeout};

use super::{testing::spec, *};
use crate::{
    probe::ProbeSettings,
    publisher::PublishMetrics,
    report::{News, collect},
};

const LIMIT: Duration = Duration::from_secs(20);

struct World {
    shards: Shards,
    supervisor: ActorRef<ShardMessage>,
    metrics: Metrics,
}

/// A shard with two resources that pass, under supervision.
async fn world() -> World {
    let shards = Shards::open(Options::in_memory("t", 1)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for id in ["a", "b"] {
        let (spec, owner) = (spec(id, &address), Owner::Api);
        let registration = Registration { spec, owner, precondition: Precondition::None };
        let command = Command::Register(Box::new(registration));
        shards.propose(ShardId(0), command).await.unwrap();
    }
    let Role::Leader(leadership) = *shards.role(ShardId(0)).borrow() else { panic!("it leads") };
    let metrics = Metrics::default();
    let sinks = Sinks::open(Vec::new(), &shards, PublishMetrics::default()).await.unwrap();
    let common = Common {
        shards: shards.clone(),
        probes: Probes::new(ProbeSettings::default()).unwrap(),
        pool: Pool::new(8),
        pace: Pace::of_this_machine(),
        collector: collect(shards.clone(), metrics.clone()),
        sinks,
        metrics: metrics.clone(),
    };
    let arguments = ShardArguments { shard: ShardId(0), leadership, common };
    let (supervisor, _) = Actor::spawn(None, ShardSupervisor, arguments).await.unwrap();
    World { shards, supervisor, metrics }
}

impl World {
    /// Waits until a resource has ended `more` slots from now on.
    async fn slots_end(&self, id: &str, more: u64) {
        let next = self.next(id).await;
        let mut applied = self.shards.applied(ShardId(0));
        let ending = async {
            while self.next(id).await < next + more {
                applied.changed().await.unwrap();
            }
        };
        timeout(LIMIT, ending).await.unwrap_or_else(|_| panic!("the slots of {id} do not end"));
    }

    async fn next(&self, id: &str) -> u64 {
        self.resource(id).await.state.ledger.next()
    }

    async fn resource(&self, id: &str) -> Arc<model::Resource> {
        let read = self.shards.get(&id.parse().unwrap(), Consistency::Stale).await.unwrap();
        read.value.unwrap().resource
    }

    /// How many checks have passed, by this node's own count.
    fn probes(&self) -> u64 {
        let labels = crate::metrics::CheckLabels { check: "tcp", outcome: "ok" };
        self.metrics.checks.get_or_create(&labels).get()
    }

    async fn coverage(&self, id: &str) -> model::coverage::Coverage {
        let id = id.parse().unwrap();
        let read = self.shards.coverage(Millis::from_secs(600), Some(&id)).await.unwrap();
        read.value.unwrap().coverage
    }

    async fn stop(self) {
        self.supervisor.stop_and_wait(None, Some(LIMIT)).await.unwrap();
        self.shards.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_crashes_is_started_again_alone_and_its_slots_are_counted() {
    let world = world().await;
    world.slots_end("a", 1).await;
    let crash = ShardMessage::Crash("a".parse().unwrap());
    world.supervisor.cast(crash).unwrap();
    // Back after a second of back-off: by then about five slots were due.
    world.slots_end("a", 8).await;
    world.slots_end("b", 1).await;
    assert_eq!(world.metrics.restarts.get(), 1);
    let (crashed, other) = (world.coverage("a").await, world.coverage("b").await);
    assert!(crashed.adds_up() && other.adds_up(), "{crashed:?} {other:?}");
    let missed = crashed.missed.get(&model::Miss::Crashed).copied().unwrap_or(0);
    assert!(missed >= 1, "{crashed:?}");
    assert_eq!(other.missed.get(&model::Miss::Crashed), None, "{other:?}");
    let healthy = world.shards.get(&"a".parse().unwrap(), Consistency::Stale).await.unwrap();
    assert_eq!(healthy.value.unwrap().resource.status(), model::HealthStatus::Healthy);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_removed_is_probed_no_more() {
    let world = world().await;
    world.slots_end("b", 1).await;
    let removal = raft::Removal {
        id: "b".parse().unwrap(),
        owner: Owner::Api,
        precondition: Precondition::None,
    };
    world.shards.remove(removal, None).await.unwrap();
    world.slots_end("a", 3).await;
    let checks = world.metrics.stale.get();
    world.slots_end("a", 5).await;
    assert_eq!(world.metrics.stale.get(), checks, "reports of the removed resource still come");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_wait_for_each_other_land_in_order_and_none_is_lost_at_the_stop() {
    let world = world().await;
    world.slots_end("a", 5).await;
    world.supervisor.stop_and_wait(None, Some(LIMIT)).await.unwrap();
    for id in ["a", "b"] {
        // One that was overtaken, or dropped at the stop, would be missed.
        let coverage = world.coverage(id).await;
        assert!(coverage.adds_up() && coverage.missed.is_empty(), "{coverage:?}");
    }
    let probes: u64 = world.probes();
    let ended = world.coverage("a").await.ok + world.coverage("b").await.ok;
    assert_eq!(probes, ended, "a probe ended and its slot is still open");
    world.shards.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_many_slots_share_an_entry() {
    let world = world().await;
    world.slots_end("a", 3).await;
    let Role::Leader(leadership) = *world.shards.role(ShardId(0)).borrow() else {
        panic!("it leads")
    };
    let (shards, metrics) = (world.shards.clone(), world.metrics.clone());
    let collector = collect(shards.clone(), metrics.clone());
    let of_term = (ShardId(0), leadership.term);
    let reporter = Reporter::new(shards, metrics, collector, of_term);
    let resource = Declared::from(&*world.resource("a").await);
    let body = raft::ReportBody::Missed { reason: model::Miss::Overload };
    let commits = (0..100).map(|_| reporter.commit(&resource, 0, body.clone(), News::None));
    let before = *world.shards.applied(ShardId(0)).borrow();
    futures_util::future::join_all(commits).await;
    let entries = world.shards.applied(ShardId(0)).borrow().0 - before.0;
    // Those of the two resources come in between.
    assert!(entries <= 10, "{entries} entries for a hundred reports");
    world.stop().await;
}
