use model::{CheckSpec, Millis, Owner, Policy, ResourceSpec, ResourceType, check::PushCheck};
use raft::{Options, Precondition, Registration};

use super::*;
use crate::watch::frame::Frames;

const SHARDS: u32 = 2;

/// Some 20 kB.
fn large(id: &str) -> Registration {
    let labels = (0..60).map(|n| (format!("l{n}-{}", "k".repeat(240)), "v".repeat(60).into()));
    let hour = Millis::from_secs(3_600);
    let policy = Policy {
        failures: 1,
        successes: 1,
        stale_after: hour,
        thresholds: Default::default(),
        flapping: None,
    };
    let spec = ResourceSpec {
        id: id.parse().unwrap(),
        resource_type: ResourceType::Service,
        name: id.to_owned(),
        namespace: None,
        cluster_id: None,
        labels: labels.collect(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Push(PushCheck { ttl: hour }),
        interval: hour,
        timeout: hour,
        policy,
    };
    Registration { spec, owner: Owner::Api, precondition: Precondition::None }
}

#[tokio::test]
async fn a_client_that_stays_behind_holds_each_shard_once() {
    let shards = Shards::open(Options::in_memory("t", SHARDS)).await.unwrap();
    let around = Around {
        shards: shards.clone(),
        recent: Arc::new(Recent::new(SHARDS)),
        heartbeat: Duration::from_secs(60),
        patience: Duration::from_secs(60),
        shutdown: CancellationToken::new(),
    };
    let mut feed = Feed::<Frames>::new(around, Filter::default(), Start::Resume(shards.cursor()));
    let (mut behind, mut told) = (false, 0);
    for round in 0..20 {
        for n in 0..8 {
            shards.declare(large(&format!("svc:{round}-{n}")), None).await.unwrap();
        }
        // One chunk for each round is less than what comes.
        told += feed.next().await.ok().unwrap().len();
        assert!(feed.moved.len() <= SHARDS as usize, "{:?}", feed.moved);
        behind |= !feed.moved.is_empty();
    }
    assert!(behind && told > 0, "it was level all the time");
    shards.close().await;
}
