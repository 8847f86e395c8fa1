//! Three nodes in one process, over links that can be cut.

mod hub;

use std::time::{Duration, Instant};

use model::{NodeId, ResourceId, ShardId};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    command::{DeclareOutcome, Reply},
    fixture::{registration, seed, spec},
    members::MembersError,
    node::Shards,
    query::Consistency,
};
use hub::Cluster;

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
const SHARDS: u32 = 4;


/// Declares over whichever node leads. Returns whether it was acknowledged.
async fn declare(cluster: &Cluster, id: &str) -> bool {
    let id: ResourceId = id.parse().unwrap();
    for _ in 0..200 {
        let Some(leader) = cluster.leader(ShardId::of(&id, SHARDS)).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let request = Some(format!("declare-{id}"));
        match leader.declare(registration(spec(id.as_str())), request).await {
            Ok(answer) => {
                let Reply::Declared { outcome, .. } = answer.reply else { panic!("{answer:?}") };
                assert_eq!(outcome, DeclareOutcome::Created, "a repeat is answered as the first");
                return true;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    false
}

async fn has(shards: &Shards, id: &str) -> bool {
    let id = id.parse().unwrap();
    shards.get(&id, Consistency::Stale).await.unwrap().value.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_acknowledges_all_three_have() {
    let cluster = Cluster::of(&NODES, SHARDS).await;
    for number in 0..40 {
        assert!(declare(&cluster, &format!("r{number}")).await);
    }
    cluster.settle().await;
    for node in NODES {
        let shards = cluster.node(node);
        for number in 0..40 {
            assert!(has(&shards, &format!("r{number}")).await, "r{number} on node {node}");
        }
    }
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_handed_over_and_only_to_a_level_voter() {
    let cluster = Cluster::of(&NODES, SHARDS).await;
    assert!(declare(&cluster, "r1").await);
    let group = Shards::group_number(ShardId::of(&"r1".parse().unwrap(), SHARDS));
    let leader = cluster.node(NODES[0]);
    let itself = leader.transfer(group, NODES[0]).await.unwrap_err();
    assert!(matches!(itself, MembersError::NotLevel { .. }), "{itself}");
    let stranger = leader.transfer(group, NodeId(9)).await.unwrap_err();
    assert!(stranger.to_string().contains("no voter"), "{stranger}");
    cluster.settle().await;
    leader.transfer(group, NODES[1]).await.unwrap();
    assert!(declare(&cluster, "r2").await, "the group goes on");
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_acknowledges_nothing_and_catches_up() {
    let cluster = Cluster::of(&NODES, SHARDS).await;
    assert!(declare(&cluster, "before").await);
    // All leads are with the first node.
    cluster.isolate(NODES[0]);
    let cut_off = cluster.node(NODES[0]);
    let id: ResourceId = "within".parse().unwrap();
    let lost = cut_off.declare(registration(spec("within")), None);
    let lost = tokio::time::timeout(Duration::from_secs(2), lost).await;
    assert!(!lost.is_ok_and(|answer| answer.is_ok()), "nothing is acknowledged without a quorum");
    cluster.wait_for_other_leaders(NODES[0]).await;
    assert!(declare(&cluster, "after").await, "the majority goes on");
    cluster.heal();
    cluster.settle().await;
    assert!(has(&cut_off, "after").await);
    assert!(!has(&cut_off, id.as_str()).await, "what was not acknowledged is gone");
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_1_a_takeover_adds_and_loses_no_time_whatever_the_wall_clocks_say() {
    let cluster = Cluster::of(&NODES, SHARDS).await;
    assert!(declare(&cluster, "r1").await);
    let shard = ShardId::of(&"r1".parse().unwrap(), SHARDS);
    cluster.settle().await;
    let (began, before) = (Instant::now(), cluster.shard_time(shard).await);
    cluster.kill(NODES[0]).await;
    cluster.wait_for_other_leaders(NODES[0]).await;
    let passed = cluster.shard_time(shard).await.since(before).0;
    let real = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!(passed.abs_diff(real) < 500, "{passed} ms of shard time in {real} ms");
    cluster.close().await;
}

/// Kills, partitions and hand-overs at random: nothing that was acknowledged is lost, and the
/// replicas are equal in the end.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the seed repeats a failure")]
async fn nothing_acknowledged_is_lost_whatever_is_cut_or_killed() {
    let seed = seed();
    eprintln!("BELLWETHER_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Cluster::of(&NODES, SHARDS).await;
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        let victim = *NODES.choose(&mut random).unwrap();
        match random.random_range(0..4) {
            0 => cluster.kill(victim).await,
            1 => cluster.isolate(victim),
            2 => cluster.cut(victim, *NODES.choose(&mut random).unwrap()),
            _ => cluster.shuffle_leads(&mut random).await,
        }
        for number in 0..10 {
            let id = format!("r{round}-{number}");
            if declare(&cluster, &id).await {
                acknowledged.push(id);
            }
        }
        cluster.heal();
        cluster.restart_the_dead().await;
    }
    cluster.settle().await;
    assert!(acknowledged.len() > 60, "{} of 120 were acknowledged", acknowledged.len());
    for node in NODES {
        let shards = cluster.node(node);
        for id in &acknowledged {
            assert!(has(&shards, id).await, "{id} is lost on node {node}");
        }
    }
    cluster.assert_equal();
    cluster.close().await;
}

