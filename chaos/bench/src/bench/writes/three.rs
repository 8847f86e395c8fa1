//! 13 with three voters: the same writes, made durable on a majority of three processes.
//!
//! Peers speak mutual TLS on both sides, clients are in the clear. Clients of ours go to the node
//! that leads the shards of their resources; those of etcd go to its leader.

use std::path::Path;

use anyhow::{Result, ensure};
use futures_util::FutureExt;

use super::{
    super::{Bench, pair_of_clusters},
    cells::{self, Cells, Rates, USUAL},
    server::Ours,
    syncs::Counted,
    table::{Goals, Measured, common_notes, latency, throughput},
};
use crate::{
    peer::etcd,
    plan::{Plan, Side},
    report::{Durability, Outcome},
};

pub(in super::super) const BENCH: Bench = Bench {
    number: 13,
    name: "writes-three",
    about: "the same with three voters and peers over TLS; beside three members of etcd",
    run: |plan| run(plan).boxed_local(),
};

const GOALS: Goals = Goals { unary: 1.5, streamed: 2.5, one_client: 1.0 };
/// An open loop that falls behind further measures nothing.
const LEAST_KEPT_UP: f64 = 0.9;

async fn run(plan: &Plan) -> Result<Outcome> {
    let etcd = etcd::available().await;
    let program = etcd.as_deref().ok();
    let rates = calibrate(plan, program).await?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            let of = format!("pair {} of {}, {side:?}", pair + 1, plan.pair_count);
            plan.progress(&format!("13 writes-three: {of}"));
            match (side, program) {
                (Side::Ours, _) => {
                    let servers = Ours::three(plan, USUAL).await?;
                    ours.push(kept_up(cells::each_of_ours(&servers, plan, USUAL, &rates).await?)?);
                }
                (Side::Peer, Some(program)) => {
                    peers.push(kept_up(of_etcd(plan, program, &rates).await?)?);
                }
                (Side::Peer, None) => {}
            }
        }
    }
    let missing = etcd.err().map(|why| why.to_string());
    let counted = Counted::default();
    Ok(outcome(&Measured { ours, peers, counted, rates, missing }))
}

async fn calibrate(plan: &Plan, program: Option<&Path>) -> Result<Rates> {
    plan.progress("13 writes-three: finding the rates of the open loops");
    let servers = Ours::three(plan, USUAL).await?;
    let ours = cells::closed_unary(&servers, plan).await?;
    drop(servers);
    let peer = match program {
        Some(program) => {
            let cluster = pair_of_clusters::etcd(plan, program).await?;
            let (leader, _) = cluster.leader().await?;
            Some(cells::closed_etcd(&cluster.members[leader], plan).await?)
        }
        None => None,
    };
    Ok(Rates::of(ours, peer))
}

async fn of_etcd(plan: &Plan, program: &Path, rates: &Rates) -> Result<Cells> {
    let cluster = pair_of_clusters::etcd(plan, program).await?;
    let (leader, _) = cluster.leader().await?;
    cells::each_of_etcd(&cluster.members[leader], plan, rates).await
}

fn kept_up(cells: Cells) -> Result<Cells> {
    for (cell, sample) in &cells {
        let share = sample.kept_up;
        ensure!(share >= LEAST_KEPT_UP, "{cell:?} kept up with {share:.2} of what was due");
    }
    Ok(cells)
}

fn outcome(measured: &Measured) -> Outcome {
    let mut rows = throughput(measured, GOALS);
    rows.extend(latency(measured, GOALS));
    let mut notes = vec![
        "three processes on one machine and one disk for each side, peers with mutual TLS; log syncs are those of all nodes of ours, and of etcd's leader alone".to_owned(),
        "ours: leads are spread over the three nodes, and a client writes to the node that leads the shards of its resources; etcd: clients write to its leader".to_owned(),
    ];
    notes.extend(common_notes(measured));
    Outcome {
        rows,
        durability: Some(Durability {
            ours: "acknowledged after fdatasync of the log on a majority, and apply".to_owned(),
            peer: "etcd at its defaults: acknowledged after fdatasync of its log on a majority"
                .to_owned(),
        }),
        notes,
        extra: None,
    }
}
