//! 4: HTTP and TCP checks, beside the blackbox exporter that probes the same targets.
//!
//! Ours schedules, probes, decides and stores; the exporter only probes when it is asked. Here a
//! small prober asks it, each target at its own moment of the interval, open-loop. What its
//! Prometheus would spend on scheduling, parsing and storing is not counted, which favours it.

mod blackbox;
mod prober;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use harness::{
    Config,
    process::Cost,
    targets::{Protocol, Targets},
};
use serde_json::json;

use super::{
    Bench,
    ours::{Metrics, Ours},
};
use crate::{
    plan::{Plan, Side},
    report::{Outcome, Row, Target},
};
use blackbox::Blackbox;

pub(super) const BENCH: Bench = Bench {
    number: 4,
    name: "checks",
    about: "10,000 HTTP and TCP checks every 10 s on loopback; beside the blackbox exporter",
    run: |plan| run(plan).boxed_local(),
};

const CHECKS: usize = 10_000;
const INTERVAL: Duration = Duration::from_secs(10);
/// A TCP target is a port of its own: these are shared by all TCP checks.
const PORTS: usize = 64;
/// Until a start has been forgotten: every resource was probed once.
const WARM: Duration = Duration::from_secs(11);
const SPAN: Duration = Duration::from_secs(20);

async fn run(plan: &Plan) -> Result<Outcome> {
    let aims = Aims::start().await?;
    let program = blackbox::available().await;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for (pair, order) in plan.pairs() {
        for side in order {
            plan.progress(&format!("4 checks: pair {} of {}, {side:?}", pair + 1, plan.pair_count));
            match (side, &program) {
                (Side::Ours, _) => ours.push(measure_ours(plan, &aims).await?),
                (Side::Peer, Ok(program)) => {
                    peers.push(measure_peer(plan, program, &aims).await?);
                }
                (Side::Peer, Err(_)) => {}
            }
        }
    }
    Ok(outcome(&ours, &peers, program.err().map(|why| why.to_string())))
}

/// What is probed: the same by both sides.
struct Aims {
    http: Targets,
    tcp: Targets,
}

/// One thing to probe.
enum Aim {
    Http(String),
    Tcp(String),
}

impl Aims {
    async fn start() -> Result<Self> {
        let http = Targets::start(Protocol::Http, CHECKS / 2).await?;
        Ok(Self { http, tcp: Targets::start(Protocol::Tcp, PORTS).await? })
    }

    fn get(&self, n: usize) -> Aim {
        if n.is_multiple_of(2) {
            Aim::Http(self.http.url(n / 2))
        } else {
            Aim::Tcp(self.tcp.address(n % PORTS).to_string())
        }
    }

    fn config(&self) -> Config {
        let interval = format!("{}s", INTERVAL.as_secs());
        (0..CHECKS).fold(Config::new().timing(&interval, "3s"), |config, n| {
            let (kind, check) = match self.get(n) {
                Aim::Http(url) => ("ENDPOINT", json!({ "http": { "url": url } })),
                Aim::Tcp(address) => {
                    ("SERVICE", json!({ "tcp": { "address": address, "expect": "ok" } }))
                }
            };
            config.resource(json!({ "type": kind, "name": n.to_string(), "check": check }))
        })
    }
}

/// What our side did in the span.
struct OurFigures {
    per_cpu_second: f64,
    lateness_p99_ms: f64,
    missed: f64,
    cores: f64,
}

async fn measure_ours(plan: &Plan, aims: &Aims) -> Result<OurFigures> {
    let node = Ours::start(plan, &aims.config()).await?;
    tokio::time::sleep(WARM).await;
    let (before, began) = (Reading::of(&node).await?, std::time::Instant::now());
    tokio::time::sleep(plan.span(SPAN)).await;
    let (after, took) = (Reading::of(&node).await?, began.elapsed());
    let ledger = node.ledger().await?;
    ensure!(ledger.failed == 0, "checks failed: {ledger:?}");
    let cpu = after.cost.cpu_seconds - before.cost.cpu_seconds;
    let checks = after.checks() - before.checks();
    enough(checks, took)?;
    #[expect(clippy::cast_precision_loss, reason = "slots are far below 2^53")]
    Ok(OurFigures {
        per_cpu_second: checks / cpu,
        lateness_p99_ms: quantile(&before.lateness(), &after.lateness(), 0.99) * 1e3,
        missed: ledger.missed_total() as f64,
        cores: cpu / took.as_secs_f64(),
    })
}

/// At least nine in ten of what the interval asks for: fewer would be no measurement.
fn enough(checks: f64, took: Duration) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "checks are few")]
    let asked = CHECKS as f64 * took.as_secs_f64() / INTERVAL.as_secs_f64();
    ensure!(checks > 0.9 * asked, "only {checks} of {asked:.0} checks were done");
    Ok(())
}

struct Reading {
    cost: Cost,
    metrics: Metrics,
}

impl Reading {
    async fn of(node: &Ours) -> Result<Self> {
        Ok(Self { metrics: node.metrics().await?, cost: node.process.cost()? })
    }

    fn checks(&self) -> f64 {
        self.metrics.sum("bellwether_checks_total", "outcome=\"ok\"")
    }

    fn lateness(&self) -> Vec<(f64, f64)> {
        self.metrics.buckets("bellwether_check_lateness_seconds")
    }
}

/// A quantile of what a histogram counted between two readings, linear within its bucket, as
/// Prometheus's `histogram_quantile` has it.
fn quantile(before: &[(f64, f64)], after: &[(f64, f64)], quantile: f64) -> f64 {
    let counted: Vec<(f64, f64)> =
        before.iter().zip(after).map(|((bound, b), (_, a))| (*bound, a - b)).collect();
    let rank = quantile * counted.last().map_or(0.0, |(_, all)| *all);
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, upto) in counted {
        if upto >= rank && bound.is_finite() {
            let within = if upto > below { (rank - below) / (upto - below) } else { 1.0 };
            return low + (bound - low) * within;
        }
        (low, below) = (if bound.is_finite() { bound } else { low }, upto);
    }
    low
}

struct PeerFigures {
    per_cpu_second: f64,
    cores: f64,
}

async fn measure_peer(plan: &Plan, program: &std::path::Path, aims: &Aims) -> Result<PeerFigures> {
    let exporter = Blackbox::start(plan, program).await?;
    let questions: Vec<String> = (0..CHECKS).map(|n| blackbox::question(&aims.get(n))).collect();
    let prober = prober::Prober::start(exporter.address(), questions, INTERVAL);
    tokio::time::sleep(WARM).await;
    let (cost, done, began) = (exporter.process.cost()?, prober.done()?, std::time::Instant::now());
    tokio::time::sleep(plan.span(SPAN)).await;
    let cpu = exporter.process.cost()?.cpu_seconds - cost.cpu_seconds;
    let (checks, took) = (prober.done()? - done, began.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "checks are few")]
    let checks = checks as f64;
    enough(checks, took).context("the blackbox exporter")?;
    Ok(PeerFigures { per_cpu_second: checks / cpu, cores: cpu / took.as_secs_f64() })
}

fn outcome(ours: &[OurFigures], peers: &[PeerFigures], missing: Option<String>) -> Outcome {
    let each = |of: fn(&OurFigures) -> f64| ours.iter().map(of).collect::<Vec<_>>();
    let theirs = |of: fn(&PeerFigures) -> f64| peers.iter().map(of).collect::<Vec<_>>();
    let workload = "5,000 HTTP + 5,000 TCP, every 10 s";
    let mut rows = vec![
        Row::new(workload, "checks per CPU-second")
            .target(Target::RatioAtLeast(5.0))
            .samples(each(|o| o.per_cpu_second), theirs(|p| p.per_cpu_second)),
        Row::new(workload, "cores in use").samples(each(|o| o.cores), theirs(|p| p.cores)),
        Row::new(workload, "lateness p99 ms")
            .target(Target::AtMost(10.0))
            .samples(each(|o| o.lateness_p99_ms), Vec::new()),
        Row::new(workload, "missed slots")
            .target(Target::AtMost(0.0))
            .samples(each(|o| o.missed), Vec::new()),
    ];
    if let Some(why) = missing {
        rows = rows.into_iter().map(|row| row.not_run(why.clone())).collect();
    }
    let notes = [
        "CPU is that of the node and of the exporter alone, user and system, from /proc/PID/stat",
        "the scheduler, parser and store of the exporter's Prometheus are not counted, which favours the exporter; ours schedules, decides and stores durably within what is counted",
        "each probe is a connection of its own; HTTP wants a 2xx, TCP the banner `ok`",
        "a window is 20 s (two intervals) after 11 s of running, shorter than the issue's minutes",
        "lateness is due → started, from the node's own histogram, linear within its bucket; missed slots from its coverage ledger since the start",
    ];
    Outcome { rows, notes: notes.map(str::to_owned).to_vec(), ..Outcome::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let before = [(1.0, 10.0), (2.0, 10.0), (f64::INFINITY, 10.0)];
        let after = [(1.0, 60.0), (2.0, 110.0), (f64::INFINITY, 110.0)];
        assert!((quantile(&before, &after, 0.5) - 1.0).abs() < 1e-9);
        assert!((quantile(&before, &after, 0.75) - 1.5).abs() < 1e-9);
        let beyond = [(1.0, 10.0), (2.0, 10.0), (f64::INFINITY, 20.0)];
        assert!((quantile(&before, &beyond, 0.99) - 2.0).abs() < 1e-9);
    }
}
