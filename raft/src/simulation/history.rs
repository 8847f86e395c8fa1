//! A history of three nodes, and everything that can happen to them.

use std::time::Duration;

use model::{NodeId, ResourceId};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Cluster, chance,
    leaders::{Leaders, Seen},
    links::Weather,
};
use crate::{
    command::{DeclareOutcome, Reply},
    fixture::{registration, spec},
    node::Shards,
    query::Consistency,
};

pub(super) const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
pub(super) const SHARDS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(20);
/// Beyond it a client gives up.
const PATIENCE: Duration = Duration::from_secs(4);

/// Declares over any nodes in turn. Returns whether it was acknowledged.
pub(super) async fn declare(cluster: &Cluster, id: &str) -> bool {
    let id: ResourceId = id.parse().unwrap();
    let attempts = async {
        loop {
            let request = Some(format!("declare-{id}"));
            let any = cluster.any();
            let attempt = any.declare(registration(spec(id.as_str())), request);
            // A node that was cut off answers nobody.
            if let Ok(Ok(answer)) = timeout(Duration::from_secs(1), attempt).await {
                let Reply::Declared { outcome, .. } = answer.reply else { panic!("{answer:?}") };
                assert_eq!(outcome, DeclareOutcome::Created, "a repeat is answered as the first");
                return;
            }
            sleep(PAUSE).await;
        }
    };
    if timeout(PATIENCE, attempts).await.is_err() {
        return false;
    }
    // Whoever answers a linearizable read has seen it; one that was cut off does not answer.
    read(cluster, &id).await;
    true
}

/// Reads what was acknowledged from any node. Returns whether it was answered.
pub(super) async fn read(cluster: &Cluster, id: &ResourceId) -> bool {
    let read = cluster.any().get(id, Consistency::Linearizable).await;
    if let Ok(read) = &read {
        assert!(read.value.is_some(), "a linearizable read on another node misses {id}");
    }
    read.is_ok()
}

pub(super) async fn has(shards: &Shards, id: &str) -> bool {
    let id = id.parse().unwrap();
    shards.get(&id, Consistency::Stale).await.unwrap().value.is_some()
}

/// What a history was: whatever differs between two runs of one seed is not simulated.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    acknowledged: Vec<String>,
    applied: Vec<u64>,
    took: Duration,
}

async fn hurt(cluster: &Cluster) {
    let node = || NODES[usize::try_from(chance(0..3)).unwrap()];
    let victim = node();
    match chance(0..7) {
        0 => cluster.kill(victim).await,
        1 => cluster.isolate(victim),
        2 => cluster.net.cut(victim, node()),
        3 => cluster.shuffle_leads().await,
        5 => cluster.shuffle_voters().await,
        4 => cluster.set_weather(Weather {
            delay: Duration::from_millis(chance(1..150)),
            lost: chance(0..200),
            repeated: chance(0..200),
        }),
        _ => {
            cluster.kill(victim).await;
            cluster.kill(node()).await;
        }
    }
}

/// Kills, power cuts, partitions both ways and one way, loss, repeats, delays, hand-overs and
/// changes of the voters, with logs so short that who was away needs a snapshot: nothing that was
/// acknowledged is lost, leaders probe by their terms, and the replicas are equal in the end.
pub(super) async fn history() -> Told {
    let began = Instant::now();
    let cluster = Cluster::of(&NODES, SHARDS).await;
    let seen = Seen::default();
    let leaders = Leaders::watch(&cluster.net, &seen);
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        // Writes are in flight while it happens.
        let writes = async {
            let mut told = Vec::new();
            for number in 0..4 {
                let id = format!("r{round}-{number}");
                if declare(&cluster, &id).await {
                    seen.acknowledge(&id.parse().unwrap());
                    told.push(id);
                }
            }
            told
        };
        let after = Duration::from_millis(chance(0..30));
        let (told, ()) = tokio::join!(writes, async {
            sleep(after).await;
            hurt(&cluster).await;
        });
        acknowledged.extend(told);
        cluster.heal();
        cluster.restart_the_dead().await;
    }
    drop(leaders);
    cluster.all_vote().await;
    cluster.settle().await;
    for node in NODES {
        let shards = cluster.node(node);
        for id in &acknowledged {
            assert!(has(&shards, id).await, "{id} is lost on node {node}");
        }
    }
    assert!(!acknowledged.is_empty(), "no write was acknowledged");
    let wrong = seen.wrong();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cluster.assert_equal();
    let first = cluster.node(NODES[0]);
    let applied = first.shard_ids().map(|shard| first.applied(shard).borrow().0).collect();
    cluster.close().await;
    Told { acknowledged, applied, took: began.elapsed() }
}
