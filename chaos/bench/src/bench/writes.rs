//! 13: durable writes with one voter, beside one member of etcd, over the same kind of wire.
//!
//! What is written is a `Push`, a client's report for a resource: 256 bytes besides the id, by
//! the path that the node itself takes, batcher, log, sync and apply included. Ours is served by
//! a process of its own ([`serve`](mod@serve)), as etcd is.

pub(super) mod alone;
mod cells;
mod clients;
mod layout;
pub(super) mod serve;
mod server;
mod syncs;
mod table;
pub(super) mod three;

use std::path::PathBuf;

use anyhow::Result;
use futures_util::FutureExt;

use super::Bench;
use crate::{
    peer::etcd::{self, Etcd},
    plan::{Plan, Side},
    report::Outcome,
};
use cells::{Rates, USUAL};
use server::Ours;

pub(super) const BENCH: Bench = Bench {
    number: 13,
    name: "writes",
    about: "durable writes of 256 B, 1, 64 and 1,000 clients, 1, 16 and 64 groups; beside etcd",
    run: |plan| run(plan).boxed_local(),
};

async fn run(plan: &Plan) -> Result<Outcome> {
    let etcd = etcd::available().await;
    let program = etcd.as_ref().ok();
    let rates = calibrate(plan, program).await?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            plan.progress(&format!(
                "13 writes: pair {} of {}, {side:?}",
                pair + 1,
                plan.pair_count
            ));
            match (side, program) {
                (Side::Ours, _) => ours.push(cells::ours(plan, &rates).await?),
                (Side::Peer, Some(program)) => {
                    peers.push(cells::etcd(plan, program, &rates).await?);
                }
                (Side::Peer, None) => {}
            }
        }
    }
    plan.progress("13 writes: counting syncs");
    let counted = syncs::count(plan, program).await?;
    let missing = etcd.err().map(|why| why.to_string());
    Ok(table::outcome(&table::Measured { ours, peers, counted, rates, missing }))
}

async fn calibrate(plan: &Plan, program: Option<&PathBuf>) -> Result<Rates> {
    plan.progress("13 writes: finding the rates of the open loops");
    let server = Ours::start(&[], USUAL, plan.directory("ours")?).await?;
    let ours = cells::closed_unary(&server, plan).await?;
    drop(server);
    let peer = match program {
        Some(program) => {
            let server = Etcd::start(program, plan.directory("etcd")?).await?;
            Some(cells::closed_etcd(&server, plan).await?)
        }
        None => None,
    };
    Ok(Rates::of(ours, peer))
}
