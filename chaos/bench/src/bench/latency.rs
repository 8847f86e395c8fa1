//! 1, on one node: from a target's reply to a client's server-sent event.
//!
//! The clock starts when the target sends the first reply that tells its new state and stops when
//! the client has read the whole event of the transition. In between: the probe reads the reply,
//! the transition is decided, made durable by an fsync, and handed to the watch.

mod flips;
pub(super) mod published;
mod puts;
pub(super) mod three;
mod watcher;

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use futures_util::FutureExt;
use harness::Config;
use serde_json::json;

use super::{Bench, ours::Ours};
use crate::{
    baseline::{self, Latency},
    load::{Histogram, milliseconds},
    plan::{Plan, Side},
    report::{Durability, Outcome, Row, Target},
};
use flips::{Flips, Reader};

pub(super) const BENCH: Bench = Bench {
    number: 1,
    name: "latency",
    about: "1,000 resources that flip, Poisson 50/s: reply → durable → SSE client; beside fdatasync",
    run: |plan| run(plan).boxed_local(),
};

const RESOURCES: usize = 1_000;
const FLIPS_A_SECOND: f64 = 50.0;
/// A check that times out on a busy machine would be a change that no target has told: the run
/// would fail.
const INTERVAL: &str = "2s";
const TIMEOUT: &str = "1900ms";
const WARM: Duration = Duration::from_secs(3);
const SPAN: Duration = Duration::from_secs(20);
/// After the last flip: longer than an interval, so that it is told, and has arrived.
const DRAIN: Duration = Duration::from_secs(4);

async fn run(plan: &Plan) -> Result<Outcome> {
    let (mut ours, mut disk) = (Vec::new(), Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            plan.progress(&format!(
                "1 latency: pair {} of {}, {side:?}",
                pair + 1,
                plan.pair_count
            ));
            match side {
                Side::Ours => ours.push(measure(plan, pair as u64).await?),
                Side::Peer => {
                    let directory = plan.directory("fdatasync-")?;
                    disk.push(baseline::measure(directory.path()).await?.disk);
                }
            }
        }
    }
    Ok(outcome(&ours, &disk))
}

struct Figures {
    transitions: u64,
    latency: Latency,
    syncs_a_second: f64,
}

async fn measure(plan: &Plan, seed: u64) -> Result<Figures> {
    let flips = Flips::serve(RESOURCES).await?;
    let node = Ours::start(plan, &config(&flips)).await?;
    node.has_checked(RESOURCES).await?;
    let watch = watcher::follow(&node.address(), Arc::clone(&flips)).await?;
    let flipping = tokio::spawn(flips::flip(Arc::clone(&flips), FLIPS_A_SECOND, seed));
    tokio::time::sleep(WARM).await;
    flips.measure(true);
    let syncs = syncs(&node).await?;
    let span = plan.span(SPAN);
    tokio::time::sleep(span).await;
    let syncs_a_second = (self::syncs(&node).await? - syncs) / span.as_secs_f64();
    flips.measure(false);
    flipping.abort();
    tokio::time::sleep(DRAIN).await;
    watch.check()?;
    let (times, lost) = flips.seen(Reader::Watch);
    ensure!(lost == 0, "{lost} transitions never reached the client");
    ensure!(times.count() > 0, "no transition was measured");
    Ok(Figures { transitions: times.count(), latency: latency(&times), syncs_a_second })
}

fn config(flips: &Flips) -> Config {
    (0..RESOURCES).fold(Config::new().timing(INTERVAL, TIMEOUT), |config, n| {
        let check = json!({ "http": { "url": flips.url(n) } });
        config.resource(json!({ "type": "ENDPOINT", "name": n.to_string(), "check": check }))
    })
}

async fn syncs(node: &Ours) -> Result<f64> {
    let syncs = node.metrics().await?.sum("bellwether_raft_syncs_total", "");
    ensure!(syncs > 0.0, "the node does not tell how many syncs there were");
    Ok(syncs)
}

fn latency(times: &Histogram) -> Latency {
    let quantile = |share| milliseconds(times.quantile(share));
    Latency { p50_ms: quantile(0.5), p99_ms: quantile(0.99) }
}

fn outcome(ours: &[Figures], disk: &[Latency]) -> Outcome {
    let workload = "1,000 resources every 2 s, 50 flips/s";
    let row = |metric: &str, of: fn(&Latency) -> f64| {
        let samples = ours.iter().map(|figures| of(&figures.latency)).collect();
        Row::new(workload, metric).samples(samples, disk.iter().map(of).collect())
    };
    let each = |of: fn(&Figures) -> f64| ours.iter().map(of).collect::<Vec<_>>();
    #[expect(clippy::cast_precision_loss, reason = "transitions are few")]
    let rows = vec![
        row("reply → SSE p50 ms", |latency| latency.p50_ms),
        row("reply → SSE p99 ms", |latency| latency.p99_ms).target(Target::AtMost(50.0)),
        Row::new(workload, "transitions").samples(each(|f| f.transitions as f64), Vec::new()),
        Row::new(workload, "syncs/s").samples(each(|f| f.syncs_a_second), Vec::new()),
    ];
    let notes = [
        "the column of the peer is the disk: an append of 256 bytes and fdatasync, while nothing else writes",
        "every transition that the targets' replies imply was seen by the client, or the run fails",
        "the client reads every event of the watch, those of measurements that moved included",
    ];
    Outcome {
        rows,
        durability: Some(Durability {
            ours: "a transition is told only after the fsync of its log entry; syncs are shared by all groups, counted by the node".to_owned(),
            peer: "one fdatasync for each append".to_owned(),
        }),
        notes: notes.map(str::to_owned).to_vec(),
        extra: None,
    }
}
