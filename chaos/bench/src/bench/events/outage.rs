//! The broker is killed and comes back with its data, while transitions go on.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use harness::broker::Broker;

use super::{
    super::{ours::Ours, topic::Clock},
    Pushes, RATES, Running, follow, to_f64,
};
use crate::plan::Plan;

/// What the node takes with nobody to hand it to.
const RATE: usize = RATES[1];
const TOPIC: &str = "events-outage";
/// Until the broker is taken away.
const WARM: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(500);

/// What an outage cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    /// From the kill until the broker serves again.
    pub(super) away: Duration,
    /// Events that were not in the topic when it came back.
    pub(super) backlog: usize,
    /// From then until the first of them came.
    pub(super) first: Duration,
    /// Until all of them came.
    pub(super) level: Duration,
    pub(super) offered_per_second: f64,
    pub(super) resident_before: u64,
    /// The most of the node during the outage.
    pub(super) resident_most: u64,
    /// Once all events had come.
    pub(super) resident_level: u64,
    pub(super) disk_before: u64,
    pub(super) disk_after: u64,
    pub(super) repeats: usize,
}

impl Outage {
    /// Events a second from the first that came until all had.
    pub(super) fn drained_per_second(&self) -> f64 {
        to_f64(self.backlog) / (self.level - self.first).as_secs_f64()
    }
}

fn length(plan: &Plan) -> Duration {
    Duration::from_secs(if plan.quick { 30 } else { 600 })
}

pub(super) async fn measure(plan: &Plan, broker: &mut Broker) -> Result<Outage> {
    plan.progress("14 events: before the outage");
    let Running { node, grpc, arrivals, topic } = Running::start(plan, broker, TOPIC).await?;
    let mut load = Pushes::begin(&grpc, RATE).await?;
    tokio::time::sleep(WARM).await;
    topic.check()?;
    let before = Resources::of(&node)?;
    let (count, killed) = (load.count(), Instant::now());
    broker.kill()?;
    // A consumer that connects again by itself would decide when the first event comes.
    drop(topic);
    let most = wait(plan, &node, &mut load).await?;
    plan.progress("14 events: the broker comes back");
    broker.launch().await?;
    let (back, clock) = (Instant::now(), Clock::now()?);
    let (offered, came) = (load.count() - count, arrivals.counts().0);
    let (after, told) = (Resources::of(&node)?, load.end());
    arrivals.look_for_the_first_since(clock.micros(back) / 1_000);
    let topic = follow(broker, TOPIC, &arrivals).await?;
    let (running, told) = (Running { node, grpc, arrivals, topic }, told.await?);
    running.level(told.len()).await?;
    let arrivals = &running.arrivals;
    arrivals.check(&told)?;
    let since = |at: Option<Instant>| {
        at.map(|at| at.saturating_duration_since(back)).context("nothing was left for the broker")
    };
    let away = back - killed;
    Ok(Outage {
        away,
        backlog: arrivals.counts().0 - came,
        first: since(arrivals.first())?,
        level: since(arrivals.last())?,
        offered_per_second: to_f64(offered) / away.as_secs_f64(),
        resident_before: before.resident,
        resident_most: most.max(after.resident),
        resident_level: running.node.process.cost()?.resident_bytes,
        disk_before: before.disk,
        disk_after: after.disk,
        repeats: arrivals.counts().1,
    })
}

/// Lets the outage last. Returns the most memory of the node.
async fn wait(plan: &Plan, node: &Ours, load: &mut Pushes) -> Result<u64> {
    let (began, length, mut most) = (Instant::now(), length(plan), 0);
    plan.progress(&format!("14 events: {} s without the broker", length.as_secs()));
    while began.elapsed() < length {
        load.check()?;
        most = most.max(node.process.cost()?.resident_bytes);
        tokio::time::sleep(LOOK).await;
    }
    Ok(most)
}

/// What the node takes.
struct Resources {
    resident: u64,
    disk: u64,
}

impl Resources {
    fn of(node: &Ours) -> Result<Self> {
        let resident = node.process.cost()?.resident_bytes;
        Ok(Self { resident, disk: size(node.directory())? })
    }
}

/// The bytes of all files below a directory. What goes away meanwhile counts nothing.
fn size(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(kind) = entry.metadata() else { continue };
        bytes += if kind.is_dir() { size(&entry.path()).unwrap_or(0) } else { kind.len() };
    }
    Ok(bytes)
}
