//! 9: a leader is lost, hands over, starves, or has a slow disk; beside etcd at its defaults.
//!
//! Three nodes of ours and three members of etcd are written to by the same open loop. What a
//! shard of ours is, is a part of the keys of etcd: the window of a kill is that of the part that
//! had to wait longest, on both sides.

mod etcd;
mod hurt;
mod ours;
mod rounds;
mod subject;
mod table;
mod windows;
mod writers;

use std::path::Path;

use anyhow::Result;
use futures_util::FutureExt;
use harness::{
    Config,
    targets::{Protocol, Targets},
};
use serde_json::json;

use super::{Bench, ours::cluster::Cluster, pair_of_clusters};
use crate::{
    peer,
    plan::{Plan, Side},
    report::Outcome,
};
use rounds::Figures;

pub(super) const BENCH: Bench = Bench {
    number: 9,
    name: "failover",
    about: "kill -9, planned transfers, starvation and a slow disk: writes, checks, elections; beside etcd",
    run: |plan| run(plan).boxed_local(),
};

/// Resources of ours that are checked meanwhile.
const CHECKED: usize = 100;
const INTERVAL: &str = "1s";
const TIMEOUT: &str = "900ms";

async fn run(plan: &Plan) -> Result<Outcome> {
    let program = peer::etcd::available().await;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            let what = format!("9 failover: pair {} of {}, {side:?}", pair + 1, plan.pair_count);
            plan.progress(&what);
            match (side, &program) {
                (Side::Ours, _) => ours.push(of_ours(plan, &what).await?),
                (Side::Peer, Ok(program)) => peers.push(of_etcd(plan, program, &what).await?),
                (Side::Peer, Err(_)) => {}
            }
        }
    }
    Ok(table::outcome(&ours, &peers, program.err().map(|why| why.to_string()).as_deref()))
}

async fn of_ours(plan: &Plan, what: &str) -> Result<Figures> {
    let targets = Targets::start(Protocol::Http, CHECKED).await?;
    let mut cluster = Cluster::start(plan, &Config::new().timing(INTERVAL, TIMEOUT)).await?;
    cluster.declare(ours::declarations()).await?;
    let checked = |n: usize| {
        let body = json!({ "type": "ENDPOINT", "name": n.to_string(), "check": targets.check(n) });
        (format!("http:{n}"), body)
    };
    cluster.declare((0..CHECKED).map(checked).collect()).await?;
    rounds::all(plan, what, &mut cluster, Some(&targets)).await
}

async fn of_etcd(plan: &Plan, program: &Path, what: &str) -> Result<Figures> {
    let mut cluster = pair_of_clusters::etcd(plan, program).await?;
    rounds::all(plan, what, &mut cluster, None).await
}
