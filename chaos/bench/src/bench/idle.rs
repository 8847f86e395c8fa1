//! 15: what three nodes cost that have nothing to do, by the number of groups; beside etcd.
//!
//! Nothing is declared and nobody asks. What is left are the heartbeats of the groups and what
//! runs beside them. Packets are those between the nodes.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::FutureExt;
use harness::Config;
use serde_json::json;

use super::{Bench, ours::cluster::Cluster, pair_of_clusters};
use crate::{
    packets::Sent,
    peer::etcd,
    plan::{Plan, Side},
    report::{Outcome, Row, Target},
};

pub(super) const BENCH: Bench = Bench {
    number: 15,
    name: "idle",
    about: "three idle nodes of 1, 16 and 64 shards: processor time and packets; beside etcd",
    run: |plan| run(plan).boxed_local(),
};

const SHARDS: [u32; 3] = [1, 16, 64];
/// After the last group has its voters, so that what formed it has gone.
const SETTLE: Duration = Duration::from_secs(5);
const SPAN: Duration = Duration::from_secs(20);

/// What all three together did, each second.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_ms: f64,
    packets: f64,
    bytes: f64,
}

type Metric = (&'static str, fn(&Cost) -> f64);

const METRICS: [Metric; 3] = [
    ("CPU ms/s, all three", |cost| cost.cpu_ms),
    ("packets/s between them", |cost| cost.packets),
    ("bytes/s between them", |cost| cost.bytes),
];

async fn run(plan: &Plan) -> Result<Outcome> {
    let program = etcd::available().await;
    let (mut ours, mut peers) = (vec![Vec::new(); SHARDS.len()], Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            let of = format!("15 idle: pair {} of {}, {side:?}", pair + 1, plan.pair_count);
            plan.progress(&of);
            match (side, &program) {
                (Side::Ours, _) => {
                    for (shards, samples) in SHARDS.into_iter().zip(&mut ours) {
                        plan.progress(&format!("{of}, {shards} shards"));
                        samples.push(of_ours(plan, shards).await?);
                    }
                }
                (Side::Peer, Ok(program)) => {
                    let cluster = pair_of_clusters::etcd(plan, program).await?;
                    let cpu = || cluster.cpu_seconds();
                    peers.push(measure(plan, &cluster.peer_ports, cpu).await?);
                }
                (Side::Peer, Err(_)) => {}
            }
        }
    }
    Ok(outcome(&ours, &peers, program.err().map(|why| why.to_string()).as_deref()))
}

async fn of_ours(plan: &Plan, shards: u32) -> Result<Cost> {
    let cluster = Cluster::start(plan, &Config::new().shards(shards)).await?;
    measure(plan, &cluster.peer_ports, || cluster.cpu_seconds()).await
}

async fn measure(plan: &Plan, ports: &[u16], cpu: impl Fn() -> Result<f64>) -> Result<Cost> {
    tokio::time::sleep(SETTLE).await;
    let (before, used, began) = (Sent::now(ports)?, cpu()?, Instant::now());
    tokio::time::sleep(plan.span(SPAN)).await;
    let (after, now, seconds) = (Sent::now(ports)?, cpu()?, began.elapsed().as_secs_f64());
    let (packets, bytes) = after.since(&before);
    anyhow::ensure!(packets > 0, "the nodes have not spoken to each other");
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    Ok(Cost {
        cpu_ms: (now - used) * 1e3 / seconds,
        packets: packets as f64 / seconds,
        bytes: bytes as f64 / seconds,
    })
}

fn outcome(ours: &[Vec<Cost>], peers: &[Cost], missing: Option<&str>) -> Outcome {
    let mut rows = Vec::new();
    let each = |costs: &[Cost], of: fn(&Cost) -> f64| costs.iter().map(of).collect::<Vec<_>>();
    for (metric, of) in METRICS {
        for (shards, costs) in SHARDS.iter().zip(ours) {
            let of_ours =
                if *shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") };
            let row = Row::new(format!("idle, {of_ours}; beside one group of etcd"), metric)
                .samples(each(costs, of), each(peers, of));
            rows.push(Row { not_run: missing.map(str::to_owned), ..row });
        }
    }
    for (metric, of) in METRICS {
        for (n, few) in SHARDS.iter().enumerate().take(SHARDS.len() - 1) {
            let many = SHARDS[SHARDS.len() - 1];
            let row = Row::new(format!("idle, {many} shards; beside {few} of ours"), metric)
                .samples(each(&ours[SHARDS.len() - 1], of), each(&ours[n], of));
            let promised = metric.starts_with("packets") && n == 0;
            rows.push(if promised { row.target(Target::RatioAtMost(2.0)) } else { row });
        }
    }
    let notes = [
        "beside its shards a cluster has one more group, for its members and its configuration",
        "packets and bytes are those of the connections between the nodes, as the kernel counts them (`ss -i`), acknowledgements of TCP included; both sides with mutual TLS",
        "processor time is that of the three processes, user and system, in steps of 10 ms",
    ];
    let points = SHARDS.iter().zip(ours).map(|(shards, costs)| {
        let medians = METRICS.map(|(_, of)| crate::report::median(&each(costs, of)));
        json!({ "shards": shards, "cpu_ms": medians[0], "packets": medians[1], "bytes": medians[2] })
    });
    Outcome {
        rows,
        notes: notes.map(str::to_owned).to_vec(),
        extra: Some(json!({ "points": points.collect::<Vec<_>>() })),
        ..Outcome::default()
    }
}
