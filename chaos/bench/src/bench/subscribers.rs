//! 8: many watches over three nodes, some of whose clients have stopped reading; beside etcd.
//!
//! Changes are due in an open loop. The clock of each starts when it is due and stops when a
//! client has read it, so that its commit is within the figure on both sides.

mod changes;
mod messages;
mod sse;
mod streams;
mod table;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::FutureExt;
use harness::Config;
use tokio::task::JoinSet;

use super::{Bench, ours::cluster::Cluster, pair_of_clusters};
use crate::{
    load::{Histogram, milliseconds},
    peer::etcd,
    plan::{Plan, Side},
    report::Outcome,
};
use changes::{Changes, Reader};

pub(super) const BENCH: Bench = Bench {
    number: 8,
    name: "watchers",
    about: "1,000 watches over three nodes, 100 changes/s, 1 % stalled; beside etcd watch",
    run: |plan| run(plan).boxed_local(),
};

/// The number that is asked for comes last; fewer show what a machine can do that has not the
/// processors for it.
const WATCHERS: [usize; 2] = [200, 1_000];
/// One of so many has stopped reading.
const STALLED: usize = 100;
const CHANGES_A_SECOND: u32 = 100;
const WARM: Duration = Duration::from_secs(3);
const SPAN: Duration = Duration::from_secs(10);
/// After the last change: whoever has not got it by then has lost it.
const DRAIN: Duration = Duration::from_secs(60);
/// A side that is further behind at the end did not keep up.
const BEHIND: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// What one side did in one pair.
#[derive(Debug, Clone, Copy)]
struct Figures {
    p50_ms: f64,
    p99_ms: f64,
    deliveries_per_second: f64,
    cpu_micros_per_delivery: f64,
    /// From the end of the span until everybody had what was made in it.
    behind: Duration,
}

/// What ours is watched over. etcd knows gRPC alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wire {
    #[default]
    Sse,
    Grpc,
}

/// What was measured with so many watches, pair by pair.
#[derive(Debug, Default)]
struct Size {
    watchers: usize,
    wire: Wire,
    ours: Vec<Figures>,
    peers: Vec<Figures>,
    /// What went wrong: then there are no figures of this size.
    failed: Option<String>,
}

async fn run(plan: &Plan) -> Result<Outcome> {
    let program = etcd::available().await;
    let sizes = if plan.quick { &WATCHERS[..1] } else { &WATCHERS[..] };
    let mut measured = Vec::new();
    let wires = [Wire::Sse, Wire::Grpc];
    for (watchers, wire) in sizes.iter().flat_map(|size| wires.map(|wire| (*size, wire))) {
        let mut size = Size { watchers, wire, ..Size::default() };
        if let Err(why) = pairs(plan, program.as_deref().ok(), &mut size).await {
            size.failed = Some(format!("{why:#}"));
        }
        measured.push(size);
    }
    let missing = program.err().map(|why| why.to_string());
    if let [Size { failed: Some(why), .. }, ..] = &measured[..] {
        bail!("with the fewest watches: {why}");
    }
    Ok(table::outcome(&measured, missing.as_deref()))
}

async fn pairs(plan: &Plan, program: Option<&Path>, size: &mut Size) -> Result<()> {
    let watchers = size.watchers;
    for (pair, order) in plan.pairs() {
        for side in order {
            let of = format!("pair {} of {}, {side:?}", pair + 1, plan.pair_count);
            plan.progress(&format!("8 watchers: {watchers}, {:?}, {of}", size.wire));
            match (side, program) {
                (Side::Ours, _) => {
                    let figures = match size.wire {
                        Wire::Sse => over_sse(plan, watchers).await,
                        Wire::Grpc => over_grpc(plan, watchers).await,
                    };
                    size.ours.push(figures.context("ours")?);
                }
                (Side::Peer, Some(program)) => {
                    size.peers.push(of_etcd(plan, program, watchers).await.context("etcd")?);
                }
                (Side::Peer, None) => {}
            }
        }
    }
    Ok(())
}

async fn ours(plan: &Plan) -> Result<Cluster> {
    let cluster = Cluster::start(plan, &Config::new().timing("1h", "3s")).await?;
    cluster.declare(sse::declarations()).await?;
    Ok(cluster)
}

async fn over_grpc(plan: &Plan, watchers: usize) -> Result<Figures> {
    let cluster = ours(plan).await?;
    let connections = messages::Connections::open(&cluster.grpc).await?;
    let mut stalled = Vec::new();
    let mut readers = Vec::new();
    for n in 0..watchers {
        if is_stalled(n) {
            let channel = messages::connect(&cluster.grpc[n % cluster.grpc.len()]).await?;
            stalled.push(messages::Watch::open(channel).await?);
        } else {
            readers.push(messages::Watch::open(connections.get(n)).await?);
        }
    }
    let writer = sse::Reports::to(cluster.clients());
    measure(plan, readers, Changes::begin(writer), || cluster.cpu_seconds()).await
}

async fn over_sse(plan: &Plan, watchers: usize) -> Result<Figures> {
    let cluster = ours(plan).await?;
    let mut stalled = Vec::new();
    let mut readers = Vec::new();
    for n in 0..watchers {
        let watch = sse::Watch::open(&cluster.nodes[n % cluster.nodes.len()].address()).await?;
        if is_stalled(n) { stalled.push(watch) } else { readers.push(watch) }
    }
    let writer = sse::Reports::to(cluster.clients());
    measure(plan, readers, Changes::begin(writer), || cluster.cpu_seconds()).await
}

async fn of_etcd(plan: &Plan, program: &Path, watchers: usize) -> Result<Figures> {
    let cluster = pair_of_clusters::etcd(plan, program).await?;
    let connections = streams::Connections::open(&cluster)?;
    let mut stalled = Vec::new();
    let mut readers = Vec::new();
    for n in 0..watchers {
        if is_stalled(n) {
            let member = &cluster.members[n % cluster.members.len()];
            stalled.push(streams::Watching::open(member.watcher()?).await?);
        } else {
            readers.push(streams::Watching::open(connections.get(n)).await?);
        }
    }
    let (leader, _) = cluster.leader().await?;
    let writer = streams::Puts::to(cluster.members[leader].client()?);
    measure(plan, readers, Changes::begin(writer), || cluster.cpu_seconds()).await
}

fn is_stalled(watcher: usize) -> bool {
    watcher.is_multiple_of(STALLED)
}

/// Lets the readers read while changes are made, and tells how late they had them.
async fn measure<R: Reader>(
    plan: &Plan,
    readers: Vec<R>,
    mut changes: Changes,
    cpu: impl Fn() -> Result<f64>,
) -> Result<Figures> {
    let count = readers.len();
    let mut reading = JoinSet::new();
    let books: Vec<_> = (0..count).map(|_| Arc::default()).collect();
    for (reader, book) in readers.into_iter().zip(&books) {
        reading.spawn(changes::read(reader, changes.times(), Arc::clone(book)));
    }
    tokio::time::sleep(WARM).await;
    let (first, used, began) = (changes.made(), cpu()?, Instant::now());
    tokio::time::sleep(plan.span(SPAN)).await;
    let (last, used, span) = (changes.made(), cpu()? - used, began.elapsed());
    changes.end().await.context("a change was not made")?;
    changes::until_all_have(&books, last, DRAIN, LOOK).await?;
    let behind = began.elapsed() - span;
    if let Some(ended) = reading.try_join_next() {
        ended?.context("a watch has ended")?;
    }
    let mut times = Histogram::new();
    for book in &books {
        changes::locked(book).of(first..last).for_each(|time| times.record(time));
    }
    let expected = (last - first) as u64 * count as u64;
    ensure!(times.count() == expected, "{} of {expected} deliveries came", times.count());
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let deliveries = expected as f64;
    Ok(Figures {
        p50_ms: milliseconds(times.quantile(0.5)),
        p99_ms: milliseconds(times.quantile(0.99)),
        deliveries_per_second: deliveries / span.as_secs_f64(),
        cpu_micros_per_delivery: used * 1e6 / deliveries,
        behind,
    })
}
