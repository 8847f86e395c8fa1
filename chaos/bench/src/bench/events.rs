//! 14: transitions of one node into a topic of Apache Pulsar, with the broker and without it.
//!
//! Ours and the peer send to the same broker, and the same consumer reads both. What was
//! acknowledged to the client must be in the topic once, or the run fails.

mod arrivals;
mod load;
mod outage;
mod raw;
mod table;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use harness::{Config, broker::Broker};

use super::{
    Bench,
    ours::Ours,
    topic::{self, Topic},
};
use crate::{
    load::{Histogram, milliseconds},
    peer::pulsar::{self, Sample},
    plan::{Plan, Side},
    process::free_port,
    report::{Outcome, Row},
};
use arrivals::Arrivals;
use load::{Pushes, Told};

pub(super) const BENCH: Bench = Bench {
    number: 14,
    name: "events",
    about: "5,000 transitions/s into Apache Pulsar, and a broker that is away; beside its own client",
    run: |plan| run(plan).boxed_local(),
};

/// Transitions a second, and messages of the peer. The number that is asked for comes last: broker,
/// node, load and consumer share the processors, of which two are enough for the fewer.
const RATES: [usize; 2] = [2_000, 5_000];
/// Java compiles what runs often.
const WARM: Duration = Duration::from_secs(5);
const SPAN: Duration = Duration::from_secs(20);
/// What has not come when nothing has come for so long is lost.
const LOST: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// What one side did in one pair.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Acknowledged to the client, or sent.
    offered_per_second: f64,
    /// Read from the topic.
    published_per_second: f64,
    /// From due to read.
    due: Times,
    /// Of ours from acknowledged to read, of the peer from due to acknowledged.
    beside: Times,
    /// Processor time of the node for each event; 0 of the peer.
    cpu_micros: f64,
    repeats: usize,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    p50_ms: f64,
    p99_ms: f64,
}

impl Times {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut all = Histogram::new();
        times.for_each(|time| all.record(time));
        let quantile = |share| milliseconds(all.quantile(share));
        Self { p50_ms: quantile(0.5), p99_ms: quantile(0.99) }
    }
}

/// What was measured at one rate, pair by pair.
struct Load {
    rate: usize,
    ours: Vec<Figures>,
    peers: Vec<Figures>,
}

/// What both sides send to.
struct Setting {
    program: PathBuf,
    broker: Broker,
    /// Why the peer cannot be run.
    missing: Option<String>,
}

async fn run(plan: &Plan) -> Result<Outcome> {
    let program = match Broker::available().await {
        Ok(program) => program,
        Err(why) => return Ok(not_run(&why.to_string())),
    };
    let broker = Broker::start_in(program.clone(), plan.directory("pulsar-")?).await?;
    let missing = pulsar::available().err().map(|why| format!("{why:#}"));
    let mut setting = Setting { program, broker, missing };
    let load = |rate| Load { rate, ours: Vec::new(), peers: Vec::new() };
    let (mut loads, mut sample) = (RATES.map(load), None);
    for (pair, order) in plan.pairs() {
        for load in &mut loads {
            for side in order {
                let of = format!("pair {} of {}, {side:?}", pair + 1, plan.pair_count);
                plan.progress(&format!("14 events: {}/s, {of}", load.rate));
                load.measure(plan, &setting, (pair, side), &mut sample).await?;
            }
        }
    }
    let sample = sample.context("there was no pair")?;
    let fastest = raw::at_full_speed(plan, &setting, &sample).await?;
    let outage = outage::measure(plan, &mut setting.broker).await?;
    let missing = setting.missing;
    Ok(table::outcome(&table::Measured { loads, fastest, outage, sample, missing }))
}

impl Load {
    async fn measure(
        &mut self,
        plan: &Plan,
        setting: &Setting,
        (pair, side): (usize, Side),
        sample: &mut Option<Sample>,
    ) -> Result<()> {
        match (side, &sample) {
            (Side::Ours, _) => {
                let name = format!("events-{}-{pair}", self.rate);
                let (figures, seen) = of_ours(plan, &setting.broker, &name, self.rate).await?;
                self.ours.push(figures);
                sample.get_or_insert(seen);
            }
            (Side::Peer, Some(sample)) if setting.missing.is_none() => {
                let name = format!("raw-{}-{pair}", self.rate);
                self.peers.push(raw::at(plan, setting, sample, (&name, self.rate)).await?);
            }
            (Side::Peer, _) => {}
        }
        Ok(())
    }
}

fn not_run(why: &str) -> Outcome {
    let row = Row::new(table::workload(RATES[1]), "published, events/s").not_run(why);
    Outcome { rows: vec![row], ..Outcome::default() }
}

/// A node whose only sink is a topic of its own, and what has come there.
struct Running {
    node: Ours,
    grpc: String,
    arrivals: Arrivals,
    topic: Topic,
}

impl Running {
    async fn start(plan: &Plan, broker: &Broker, name: &str) -> Result<Self> {
        let port = free_port()?;
        let node = Ours::start(plan, &config(broker, name).grpc(port)).await?;
        topic::made(broker, name).await?;
        let arrivals = Arrivals::default();
        let topic = follow(broker, name, &arrivals).await?;
        Ok(Self { node, grpc: format!("http://127.0.0.1:{port}"), arrivals, topic })
    }

    /// Waits until as many events came as there must be.
    async fn level(&self, told: usize) -> Result<()> {
        let (mut began, expected, mut before) = (Instant::now(), told + load::RESOURCES, 0);
        loop {
            self.topic.check()?;
            let (came, _) = self.arrivals.counts();
            if came >= expected {
                return Ok(());
            }
            if came > before {
                (began, before) = (Instant::now(), came);
            }
            ensure!(began.elapsed() < LOST, "{came} of {expected} events came");
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn follow(broker: &Broker, name: &str, arrivals: &Arrivals) -> Result<Topic> {
    let arrivals = arrivals.clone();
    Topic::follow(broker, name, move |arrival| arrivals.take(arrival)).await
}

fn config(broker: &Broker, name: &str) -> Config {
    let config = Config::new().timing("1h", "3s").without_file().sink(&topic::sink(broker, name));
    load::declarations().fold(config, Config::resource)
}

async fn of_ours(
    plan: &Plan,
    broker: &Broker,
    name: &str,
    rate: usize,
) -> Result<(Figures, Sample)> {
    let running = Running::start(plan, broker, name).await?;
    let mut load = Pushes::begin(&running.grpc, rate).await?;
    tokio::time::sleep(WARM).await;
    let (begin, used) = (Instant::now(), running.node.process.cost()?.cpu_seconds);
    tokio::time::sleep(plan.span(SPAN)).await;
    let (end, used) = (Instant::now(), running.node.process.cost()?.cpu_seconds - used);
    load.check()?;
    let told = load.end().await?;
    running.level(told.len()).await?;
    running.arrivals.check(&told)?;
    let figures = figures(&told, &running.arrivals, (begin, end), used);
    Ok((figures, running.arrivals.sample()?))
}

fn figures(
    told: &[Told],
    arrivals: &Arrivals,
    (begin, end): (Instant, Instant),
    cpu_seconds: f64,
) -> Figures {
    let within = |moment: &Instant| (begin..end).contains(moment);
    let seconds = (end - begin).as_secs_f64();
    let published = to_f64(arrivals.moments().iter().filter(|at| within(at)).count());
    let told: Vec<&Told> = told.iter().filter(|told| within(&told.acknowledged)).collect();
    let since = |from: fn(&Told) -> Instant| {
        let late = |told: &&Told| Some(arrivals.of(told)?.saturating_duration_since(from(told)));
        Times::of(told.iter().filter_map(late))
    };
    Figures {
        offered_per_second: to_f64(told.len()) / seconds,
        published_per_second: published / seconds,
        due: since(|told| told.due),
        beside: since(|told| told.acknowledged),
        cpu_micros: cpu_seconds * 1e6 / published,
        repeats: arrivals.counts().1,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn to_f64(count: usize) -> f64 {
    count as f64
}
