//! 1, on three nodes: from a target's reply to a client of a node that does not lead.
//!
//! One node is drained, so that it leads no shard, and the client watches there: what it reads was
//! decided on another node and is durable on a majority. Beside it etcd: from a put at the leader
//! to a watch on a follower.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use futures_util::FutureExt;
use harness::Config;
use serde_json::json;

use super::{
    super::{Bench, ours::cluster::Cluster, pair_of_clusters},
    DRAIN, FLIPS_A_SECOND, INTERVAL, RESOURCES, SPAN, TIMEOUT, WARM,
    flips::{self, Flips, Reader},
    latency,
    puts::Puts,
    watcher,
};
use crate::{
    baseline::Latency,
    peer::etcd,
    plan::{Plan, Side},
    report::{Durability, Outcome, Row, Target},
};

pub(in super::super) const BENCH: Bench = Bench {
    number: 1,
    name: "latency-three",
    about: "the same on three nodes, read at one that follows; beside etcd put → watch on a follower",
    run: |plan| run(plan).boxed_local(),
};

/// The node that leads nothing and is watched.
const WATCHED: usize = 0;

async fn run(plan: &Plan) -> Result<Outcome> {
    let program = etcd::available().await;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            let of = format!("pair {} of {}, {side:?}", pair + 1, plan.pair_count);
            plan.progress(&format!("1 latency-three: {of}"));
            match (side, &program) {
                (Side::Ours, _) => ours.push(of_ours(plan, pair as u64).await?),
                (Side::Peer, Ok(program)) => {
                    peers.push(of_etcd(plan, program, pair as u64).await?);
                }
                (Side::Peer, Err(_)) => {}
            }
        }
    }
    Ok(outcome(&ours, &peers, program.err().map(|why| why.to_string()).as_deref()))
}

/// What was seen of one side.
struct Figures {
    count: u64,
    latency: Latency,
}

async fn of_ours(plan: &Plan, seed: u64) -> Result<Figures> {
    let flips = Flips::serve(RESOURCES).await?;
    let cluster = Cluster::start(plan, &Config::new().timing(INTERVAL, TIMEOUT)).await?;
    let declaration = |n: usize| {
        let check = json!({ "http": { "url": flips.url(n) } });
        (format!("flip:{n}"), json!({ "type": "ENDPOINT", "name": n.to_string(), "check": check }))
    };
    cluster.declare((0..RESOURCES).map(declaration).collect()).await?;
    let watched = &cluster.nodes[WATCHED];
    watched.has_checked(RESOURCES).await?;
    cluster.drain(WATCHED).await?;
    let watch = watcher::follow(&watched.address(), Arc::clone(&flips)).await?;
    let flipping = tokio::spawn(flips::flip(Arc::clone(&flips), FLIPS_A_SECOND, seed));
    tokio::time::sleep(WARM).await;
    flips.measure(true);
    tokio::time::sleep(plan.span(SPAN)).await;
    flips.measure(false);
    flipping.abort();
    tokio::time::sleep(DRAIN).await;
    watch.check()?;
    let (times, lost) = flips.seen(Reader::Watch);
    ensure!(lost == 0, "{lost} transitions never reached the client");
    ensure!(times.count() > 0, "no transition was measured");
    ensure!(cluster.leads().await?[WATCHED] == 0, "the watched node has come to lead");
    Ok(Figures { count: times.count(), latency: latency(&times) })
}

async fn of_etcd(plan: &Plan, program: &Path, seed: u64) -> Result<Figures> {
    let cluster = pair_of_clusters::etcd(plan, program).await?;
    let (leader, _) = cluster.leader().await?;
    let follower = &cluster.members[(leader + 1) % cluster.members.len()];
    let puts = Puts::start(&cluster.members[leader], follower, FLIPS_A_SECOND, seed).await?;
    tokio::time::sleep(WARM).await;
    let times = puts.measure(plan.span(SPAN)).await?;
    ensure!(times.count() > 0, "no put was measured");
    Ok(Figures { count: times.count(), latency: latency(&times) })
}

fn outcome(ours: &[Figures], peers: &[Figures], missing: Option<&str>) -> Outcome {
    let workload = "three nodes, 1,000 resources every 2 s, 50 changes/s";
    let each = |side: &[Figures], of: fn(&Latency) -> f64| -> Vec<f64> {
        side.iter().map(|figures| of(&figures.latency)).collect()
    };
    let both = |metric: &str, of: fn(&Latency) -> f64| {
        let row = Row::new(workload, metric).samples(each(ours, of), each(peers, of));
        Row { not_run: missing.map(str::to_owned), ..row }
    };
    #[expect(clippy::cast_precision_loss, reason = "changes are few")]
    let counts = |side: &[Figures]| side.iter().map(|figures| figures.count as f64).collect();
    let rows = vec![
        both("change → read on another node, p50 ms", |latency| latency.p50_ms),
        both("change → read on another node, p99 ms", |latency| latency.p99_ms)
            .target(Target::RatioAtMost(1.0)),
        Row::new(workload, "changes").samples(counts(ours), counts(peers)),
    ];
    let notes = [
        "ours: from the reply of a target that tells its new state to the event of the transition, read by a client of a node that leads no shard; the other two lead all, and make 500 checks/s",
        "etcd: from the call of a put at its leader to the event, read by a client of a follower; 50 puts/s of 256 bytes, and nothing else",
        "every transition that the targets' replies imply, and every put, was seen by the client, or the run fails",
    ];
    Outcome {
        rows,
        durability: Some(Durability {
            ours: "a transition is told on a node once it is committed: durable on a majority"
                .to_owned(),
            peer: "etcd at its defaults: the same".to_owned(),
        }),
        notes: notes.map(str::to_owned).to_vec(),
        extra: None,
    }
}
