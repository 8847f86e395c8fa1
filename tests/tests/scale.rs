//! Show 4: many resources on loopback targets; no slot is missed and memory stays flat.
//! `BELLWETHER_SCALE=full` runs the whole of it: 10,000 resources for two minutes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Config, Node,
    control::{full_scale, note},
    eventually, oracle,
    process::{Cost, cost},
    targets::{Protocol, Targets},
};
use serde_json::json;

/// TCP targets are ports: these many are shared by all tcp resources.
const PORTS: usize = 64;
const MIB: u64 = 1 << 20;
/// After the first half, memory may grow by this share, and by [`ROOM`].
const GROWTH: f64 = 1.10;
/// What caches and logs may still take while they fill.
const ROOM: u64 = 32 * MIB;

struct Load {
    resources: usize,
    interval: Duration,
    run: Duration,
}

impl Load {
    fn chosen() -> Self {
        if full_scale() {
            let (interval, run) = (Duration::from_secs(10), Duration::from_secs(120));
            Self { resources: 10_000, interval, run }
        } else {
            let (interval, run) = (Duration::from_secs(5), Duration::from_secs(20));
            Self { resources: 1_000, interval, run }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_slot_is_missed_and_memory_stays_flat_under_load() -> Result<()> {
    let load = Load::chosen();
    let http = Targets::start(Protocol::Http, load.resources / 2).await?;
    let tcp = Targets::start(Protocol::Tcp, PORTS).await?;
    let node = Node::start(&config(&load, &http, &tcp)).await?;
    let pid = node.pid().context("the node is not running")?;
    let client = node.client();
    eventually("all are healthy", Duration::from_secs(120), async || {
        let rows = client.list("limit=5000").await?;
        ensure!(rows.len() == load.resources, "{} resources", rows.len());
        let ill = rows.iter().filter(|row| row["health_status"] != "HEALTHY").count();
        ensure!(ill == 0, "{ill} are not healthy");
        Ok(())
    })
    .await?;

    let samples = sample(pid, load.run).await?;
    let ledger = oracle::adds_up(&client.coverage(None).await?)?;
    report(&load, &samples);
    ensure!(ledger.missed.is_empty(), "slots were missed: {ledger:?}");
    ensure!(ledger.failed == 0, "checks failed: {ledger:?}");
    let slots = load.run.as_secs() / load.interval.as_secs();
    let least = (slots - 1) * load.resources as u64;
    ensure!(ledger.ok >= least, "only {} of at least {least} slots: {ledger:?}", ledger.ok);
    memory_is_flat(&samples)
}

fn config(load: &Load, http: &Targets, tcp: &Targets) -> Config {
    let interval = format!("{}s", load.interval.as_secs());
    (0..load.resources).fold(Config::new().timing(&interval, "3s"), |config, n| {
        let (kind, check) = if n % 2 == 0 {
            ("ENDPOINT", http.check(n / 2))
        } else {
            ("SERVICE", tcp.check(n % PORTS))
        };
        config.resource(json!({"type": kind, "name": n.to_string(), "check": check}))
    })
}

async fn sample(pid: u32, run: Duration) -> Result<Vec<Cost>> {
    let started = Instant::now();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut samples = Vec::new();
    while started.elapsed() < run {
        second.tick().await;
        samples.push(cost(pid).context("the node has died")?);
    }
    Ok(samples)
}

fn memory_is_flat(samples: &[Cost]) -> Result<()> {
    let (first, second) = samples.split_at(samples.len() / 2);
    let most = |half: &[Cost]| half.iter().map(|s| s.resident_bytes).max().unwrap_or(0);
    let (before, after) = (most(first), most(second));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "memory in bytes is far below 2^53"
    )]
    let allowed = (before as f64 * GROWTH) as u64 + ROOM;
    ensure!(after <= allowed, "memory grew from {} to {} MiB", before / MIB, after / MIB);
    Ok(())
}

fn report(load: &Load, samples: &[Cost]) {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return };
    let cpu = last.cpu_seconds - first.cpu_seconds;
    let memory: Vec<String> = samples
        .iter()
        .step_by((samples.len() / 8).max(1))
        .map(|sample| (sample.resident_bytes / MIB).to_string())
        .collect();
    note(&format!(
        "scale: {} resources every {:?} for {:?}: {cpu:.1} CPU-seconds ({:.1} % of one core), \
         resident {} MiB",
        load.resources,
        load.interval,
        load.run,
        cpu * 100.0 / load.run.as_secs_f64(),
        memory.join(" → "),
    ));
}
