//! Row 8: one of three nodes has to get everything anew, and little comes through to it. Meanwhile
//! nobody elects anew.
//!
//! A fail point lets groups build snapshots early and drop the log before them, so that nobody gets
//! there without one.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;
use serde_json::Value;

use super::{memory::declare_many, partition::PARTITION};
use crate::{
    arena::{Arena, Change, groups, member, term, terms},
    history::Steady,
    mechanism::{
        NARROW, Network,
        fail_points::{arm, joined},
    },
    scenario::{Fault, Scenario, Site},
    workload::Workload,
};

pub(super) const NARROW_LINK: Scenario = Scenario {
    row: 8,
    name: "narrow-link",
    fault: "a node that has lost its disk gets its snapshots through a link of 1 Mbit/s",
    needs: &[NARROW],
    // What goes on beside is to leave room for it.
    workload: Workload::LITTLE,
    fail_points: true,
    begin,
    ..PARTITION
};

/// From each of two other nodes.
const KBIT: u32 = 1_000;
/// Resources that fill the snapshots.
const MANY: usize = 2_000;
/// Entries after which a group builds a snapshot: each has more.
const AFTER: u64 = 50;
/// How long it may take until the others lead, and until it votes everywhere.
const LEAD: u64 = 20_000;
const LEVEL: u64 = 110_000;
const LOOK: Duration = Duration::from_millis(500);

struct Narrow {
    declared: bool,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let points = joined(&site.points, &format!("snapshot-after=return({AFTER})"));
    for node in site.nodes.iter_mut() {
        arm(node.launcher(), &points);
    }
    Ok(Box::new(Narrow { declared: false }))
}

impl Fault for Narrow {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            if !self.declared {
                declare_many(&arena.node().client(), MANY).await?;
                self.declared = true;
            }
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let n = arena.victim().await?;
            arena.fault(format!("{} loses its disk, {KBIT} kbit/s from each other node", name(n)));
            arena.kill_at(n)?;
            arena.lose_disk(n)?;
            network(arena)?.narrow(n, KBIT)?;
            let joined = catch_up(arena, n).await;
            let held_back = network(arena)?.widen(n)?;
            joined?;
            arena.fault(format!("all links are wide again, {held_back} packets were held back"));
            ensure!(held_back > 0, "the link was wide enough");
            arena.whole().await
        }
        .boxed()
    }
}

/// From when the others lead all groups for good until it votes in all of them, which it does in a group
/// only once it is level there. Nobody elects anew in a group before that.
async fn catch_up(arena: &mut Arena, n: usize) -> Result<()> {
    let lost = arena.id_of(n).await?;
    until(arena, n, LEAD, |shown| groups(shown).all(|(_, group)| leads(group, &lost.into())))
        .await?;
    arena.change(n, Change::Remove).await?;
    // Then leads are handed on until they are even, which is no election.
    until(arena, n, LEAD, |shown| {
        let gone = groups(shown).all(|(_, group)| !votes(group, &lost.into()));
        let mut moves = shown["moves"].as_array().into_iter().flatten();
        gone && moves.all(|line| line.as_str().is_some_and(|line| line.contains("blocked")))
    })
    .await?;
    let shown = shown_but(arena, n).await?;
    let entries = shown["shards"].as_array().into_iter().flatten();
    let few = entries.filter_map(|shard| shard["last_log"].as_u64()).min();
    ensure!(few > Some(2 * AFTER), "a group has no snapshot: {few:?} entries");
    let (from, before) = (arena.now(), terms(&shown));
    arena.begin_start_at(n)?;
    let mut after = BTreeMap::new();
    let who = name(n);
    let joined = until(arena, n, LEVEL, |shown| {
        let new = member(shown, &who).map_or(Value::Null, |node| node["node_id"].clone());
        let voted: Vec<bool> = groups(shown).map(|(_, group)| votes(group, &new)).collect();
        let others = groups(shown).filter(|(_, group)| !votes(group, &new));
        after.extend(others.filter_map(|(name, group)| Some((name, term(group)?))));
        voted.iter().all(|votes| *votes)
    });
    let joined = joined.await;
    let until = arena.now();
    arena.history.steady.push(Steady { from, until, before, after });
    joined
}

/// The cluster as the others show it: the way to the one may be narrow.
async fn shown_but(arena: &Arena, n: usize) -> Result<Value> {
    let others: Vec<usize> = arena.running().into_iter().filter(|other| *other != n).collect();
    arena.cluster_shown_by(&others).await
}

async fn until(
    arena: &mut Arena,
    n: usize,
    limit: u64,
    mut so: impl FnMut(&Value) -> bool,
) -> Result<()> {
    let end = arena.now() + limit;
    loop {
        let shown = shown_but(arena, n).await?;
        if so(&shown) {
            return Ok(());
        }
        ensure!(arena.now() < end, "not so after {limit} ms: {shown}");
        arena.run(LOOK).await?;
    }
}

/// Somebody does, and not this one.
fn leads(group: &Value, not: &Value) -> bool {
    !group["leader"].is_null() && group["leader"] != *not
}

fn votes(group: &Value, id: &Value) -> bool {
    group["voters"].as_array().is_some_and(|voters| voters.contains(id))
}

fn network(arena: &Arena) -> Result<&Network> {
    arena.network.as_ref().context("there is no network")
}
