//! 5, in a cluster: what a resource costs the nodes that follow.
//!
//! Two of three nodes are drained, so that the third leads every shard and they follow. Each size
//! is measured after a restart of all three, because what a node has just taken in lies in
//! RocksDB's memory tables for a while and would be counted as the resources'.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::FutureExt;
use harness::{
    Config,
    targets::{Protocol, Targets},
};
use serde_json::json;

use super::{
    super::{
        Bench,
        ours::{cluster::Cluster, name},
    },
    slope_kib,
};
use crate::{
    plan::Plan,
    report::{Outcome, Row, Target},
};

pub(in super::super) const BENCH: Bench = Bench {
    number: 5,
    name: "followers",
    about: "resident memory of a resource on the nodes that follow, and on the one that leads",
    run: |plan| run(plan).boxed_local(),
};

const SIZES: [usize; 2] = [1_000, 50_000];
const SETTLE: Duration = Duration::from_secs(5);

/// Memory of the leader and of a follower, in bytes, with so many resources.
struct Point {
    resources: usize,
    leader: u64,
    follower: u64,
}

async fn run(plan: &Plan) -> Result<Outcome> {
    let target = Targets::start(Protocol::Tcp, 1).await?;
    let address = target.address(0).to_string();
    let mut points = Vec::new();
    for (pair, _) in plan.pairs() {
        let mut cluster = Cluster::start(plan, &Config::new().timing("1h", "3s")).await?;
        for (n, size) in sizes(plan).into_iter().enumerate() {
            let of = format!("5 followers: {} of {}, {size}", pair + 1, plan.pair_count);
            plan.progress(&of);
            let first = if n == 0 { 0 } else { sizes(plan)[n - 1] };
            let fresh = (first..size).map(|number| declaration(number, &address));
            cluster.declare(fresh.collect()).await?;
            points.push(measure(&mut cluster, size).await.context(of)?);
        }
    }
    Ok(outcome(&points))
}

fn sizes(plan: &Plan) -> [usize; 2] {
    if plan.quick { [SIZES[0], SIZES[1] / 5] } else { SIZES }
}

fn declaration(number: usize, address: &str) -> (String, serde_json::Value) {
    let body = json!({
        "type": "SERVICE", "name": name(number), "labels": { "team": format!("t{}", number / 100) },
        "check": { "tcp": { "address": address } },
    });
    (format!("service:{}", name(number)), body)
}

async fn measure(cluster: &mut Cluster, resources: usize) -> Result<Point> {
    // A first check whose time comes while nobody runs is missed, and the next is in an hour.
    cluster.nodes[0].has_checked(resources).await?;
    for node in &mut cluster.nodes {
        node.process.stop().await?;
        node.restart(&[])?;
    }
    cluster.formed().await?;
    for follower in 1..cluster.nodes.len() {
        cluster.drain(follower).await?;
    }
    for node in &cluster.nodes {
        node.has_checked(resources).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let bytes: Vec<u64> = cluster
        .nodes
        .iter()
        .map(|node| node.process.proportional_bytes())
        .collect::<Result<_>>()?;
    for follower in 1..cluster.nodes.len() {
        cluster.resume(follower).await?;
    }
    cluster.formed().await?;
    Ok(Point { resources, leader: bytes[0], follower: bytes[1].max(bytes[2]) })
}

fn outcome(points: &[Point]) -> Outcome {
    let slopes = |of: fn(&Point) -> u64| -> Vec<f64> {
        let ends = points.chunks(SIZES.len()).filter_map(|ends| {
            let end = |point: &Point| (point.resources, of(point));
            slope_kib(end(ends.first()?), end(ends.last()?))
        });
        ends.collect()
    };
    let most = points.iter().map(|point| point.resources).max().unwrap_or_default();
    let workload = format!("three nodes, {} → {most} resources", SIZES[0]);
    let rows = vec![
        Row::new(workload.as_str(), "KiB per resource, follower")
            .target(Target::AtMost(4.0))
            .samples(slopes(|point| point.follower), Vec::new()),
        Row::new(workload.as_str(), "KiB per resource, leader of all shards")
            .target(Target::AtMost(12.0))
            .samples(slopes(|point| point.leader), Vec::new()),
    ];
    let notes = [
        "PSS of the processes, after a restart of all three; two nodes are drained, follow in every shard and lead none, and the larger of the two counts",
        "each resource is a TCP check once an hour that was made once",
    ];
    let points: Vec<_> = points
        .iter()
        .map(|p| json!({ "resources": p.resources, "leader": p.leader, "follower": p.follower }))
        .collect();
    Outcome {
        rows,
        notes: notes.map(str::to_owned).to_vec(),
        extra: Some(json!({ "points": points })),
        ..Outcome::default()
    }
}
