//! Row 26: one shard gets most of the load, or shards move from a node to others. What writes to
//! other shards take is measured before, meanwhile and after. A hot shard is compared with the same
//! load on all shards, so that what differs is where it goes, and not how much of it there is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::{Client, cluster::name};
use model::{ResourceId, ShardId};
use rand::seq::IteratorRandom;
use serde_json::Value;

use super::membership::until_it_holds_nothing;
use crate::{
    arena::{Arena, Change, groups, member},
    history::Spared,
    scenario::{Fault, Scenario},
    workload::{Stopwatch, Workload, write},
};

pub(super) const HOT: Scenario = Scenario {
    row: 26,
    name: "hot-shard",
    fault: "one shard gets most of all writes",
    invariants: "AEPLCMUS",
    nodes: 3,
    // What goes on beside is to leave processors for it.
    workload: Workload::LITTLE,
    begin: |_| Ok(Box::new(Hot)),
    ..Scenario::USUAL
};

pub(super) const MOVING: Scenario = Scenario {
    name: "moving-shard",
    fault: "one of four nodes is drained: its shards move to the others, and back",
    nodes: 4,
    begin: |_| Ok(Box::new(Moving)),
    ..HOT
};

const SHARDS: u32 = 16;
/// Writers that measure, on as many resources.
const MEASURING: usize = 4;
const PAUSE: Duration = Duration::from_millis(80);
/// Writers of the hot shard, and their pause: most writes are theirs.
const HOT_WRITERS: usize = 20;
const HOT_PAUSE: Duration = Duration::from_millis(60);
/// How many writes are measured at least, and for how long at least and at most.
const ENOUGH: usize = 250;
const SPAN: Duration = Duration::from_secs(6);
const LONGEST: u64 = 35_000;
const LOOK: Duration = Duration::from_millis(50);
/// What a machine with few processors adds by itself where more goes on, in microseconds.
const FLOOR: u64 = 75_000;

struct Hot;

impl Fault for Hot {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let hot = ShardId(arena.round() % SHARDS);
            let heat = resources("hot", HOT_WRITERS, |shard| shard == hot)?;
            let even = resources("even", HOT_WRITERS, |_| true)?;
            let others = resources("beside", MEASURING, |shard| shard != hot)?;
            let clients = declared(arena, &[&heat[..], &even, &others].concat()).await?;
            let (before, _) = under_load(arena, &clients, &even, &others).await?;
            arena.fault(format!("shard {hot} is hot"));
            let (meanwhile, load) = under_load(arena, &clients, &heat, &others).await?;
            let beside = meanwhile.len();
            arena.fault(format!("{load} writes to shard {hot}, {beside} to others"));
            ensure!(load > 4 * beside, "it is not hot: {load} writes of it, {beside} beside");
            let (after, _) = under_load(arena, &clients, &even, &others).await?;
            let under = format!("shard {hot} is hot");
            arena.history.spared.push(Spared { under, floor: FLOOR, before, meanwhile, after });
            arena.whole().await
        }
        .boxed()
    }
}

struct Moving;

impl Fault for Moving {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let n = in_some(arena).await?;
            let still = without(&arena.cluster_shown().await?, n);
            let others = resources("beside", MEASURING, |shard| still.contains(&shard))?;
            let clients = declared(arena, &others).await?;
            let before = measure(arena, &clients, &others).await?;
            let watch = Stopwatch::start(&clients, &others, PAUSE);
            arena.turn();
            arena.change(n, Change::Drain).await?;
            until_it_holds_nothing(arena, n).await?;
            arena.fault(format!("{} holds nothing", name(n)));
            arena.change(n, Change::Resume).await?;
            arena.whole().await?;
            // Short moves are few writes.
            while watch.taken().len() < ENOUGH {
                arena.run(PAUSE).await?;
            }
            let meanwhile = watch.taken();
            drop(watch);
            arena.turn();
            arena.fault("all is where it belongs");
            let after = measure(arena, &clients, &others).await?;
            let under = format!("the shards of {} move", name(n));
            arena.history.spared.push(Spared { under, floor: FLOOR, before, meanwhile, after });
            Ok(())
        }
        .boxed()
    }
}

/// Measures writes to some resources while others are written to. Answers how many of the latter
/// there were, too.
async fn under_load(
    arena: &mut Arena,
    clients: &[Client],
    load: &[String],
    ids: &[String],
) -> Result<(Vec<u64>, usize)> {
    let load = Stopwatch::start(clients, load, HOT_PAUSE);
    let taken = measure(arena, clients, ids).await?;
    Ok((taken, load.taken().len()))
}

/// Measures writes to these resources for a while.
async fn measure(arena: &mut Arena, clients: &[Client], ids: &[String]) -> Result<Vec<u64>> {
    let watch = Stopwatch::start(clients, ids, PAUSE);
    let end = arena.now() + LONGEST;
    arena.run(SPAN).await?;
    while watch.taken().len() < ENOUGH && arena.now() < end {
        arena.run(PAUSE).await?;
    }
    Ok(watch.taken())
}

/// Names of resources in some shards.
fn resources(prefix: &str, count: usize, which: impl Fn(ShardId) -> bool) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for number in 0.. {
        if found.len() == count {
            break;
        }
        let id = format!("push:{prefix}-{number}");
        let parsed = ResourceId::new(&id).ok().context("it is a name")?;
        if which(ShardId::of(&parsed, SHARDS)) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Declares them, which takes longer than a change. Answers whom to ask.
async fn declared(arena: &mut Arena, ids: &[String]) -> Result<Vec<Client>> {
    let clients = arena.clients_of_all();
    for id in ids {
        write(&clients, id, 0).await?;
    }
    Ok(clients)
}

/// A node that votes in some shards and not in others. Where there is none, one is drained in part.
async fn in_some(arena: &mut Arena) -> Result<usize> {
    let shown = arena.cluster_shown().await?;
    let lacks = |n: usize| without(&shown, n).len();
    let all = arena.running();
    let some = all.iter().copied().filter(|n| (1..SHARDS as usize).contains(&lacks(*n)));
    if let Some(n) = some.choose(arena.random()) {
        return Ok(n);
    }
    let full = all.into_iter().filter(|n| lacks(*n) == 0);
    let n = full.choose(arena.random()).context("nobody votes")?;
    arena.change(n, Change::Drain).await?;
    let half = SHARDS as usize / 2;
    while without(&arena.cluster_shown().await?, n).len() < half {
        arena.run(LOOK).await?;
    }
    arena.change(n, Change::Resume).await?;
    arena.whole().await?;
    let lacks = without(&arena.cluster_shown().await?, n).len();
    ensure!(lacks < SHARDS as usize, "{} votes nowhere any more", name(n));
    Ok(n)
}

/// The shards in which a node does not vote.
fn without(shown: &Value, n: usize) -> Vec<ShardId> {
    let id = member(shown, &name(n)).map_or(&Value::Null, |node| &node["node_id"]);
    let votes = |group: &Value| group["voters"].as_array().is_some_and(|v| v.contains(id));
    let shards = groups(shown).filter(|(_, group)| !votes(group));
    let number = |(_, group): (String, &Value)| u32::try_from(group["shard"].as_u64()?).ok();
    shards.filter_map(number).map(ShardId).collect()
}
