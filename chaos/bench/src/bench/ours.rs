//! Our side: the real binary as a process of its own, on the disk that is measured.

pub(super) mod cluster;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{Client, Config, binary, oracle};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    plan::Plan,
    process::{Process, below, free_port},
};

/// How long a node with 100,000 resources may take, the first time.
const START: Duration = Duration::from_secs(120);
/// Until 100,000 resources were checked for the first time.
const SETTLE: Duration = Duration::from_secs(120);
/// The libraries below say nothing; each shard says when its resources are scheduled, and when its
/// lead is handed over and begins.
const LOG: &str =
    "info,openraft=error,ractor=warn,bellwether_actors::shard=debug,bellwether_raft=debug";

/// A node. It is killed, and its data go, when the value is dropped.
pub(super) struct Ours {
    /// The process.
    pub(super) process: Process,
    binary: PathBuf,
    directory: TempDir,
    port: u16,
}

impl Ours {
    /// Starts a fresh node and waits until it is ready.
    pub(super) async fn start(plan: &Plan, config: &Config) -> Result<Self> {
        let mut node = Self::launch(plan, config, free_port()?)?;
        node.ready().await?;
        Ok(node)
    }

    /// Starts a fresh node on a port and does not wait for it.
    fn launch(plan: &Plan, config: &Config, port: u16) -> Result<Self> {
        let (binary, directory) = (binary::path()?, plan.directory("bellwether-")?);
        let base = fs::canonicalize(directory.path())?;
        let http = ([127, 0, 0, 1], port).into();
        fs::write(base.join("bellwether.yaml"), config.render(&base, http))?;
        let process = spawn(&[], &binary, &directory)?;
        Ok(Self { process, binary, directory, port })
    }

    /// Waits until the node takes requests.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let client = self.client();
        let ready = self.process.until_ready(START, async || client.is_ready().await).await;
        ready.map(drop).with_context(|| format!("the log ends with:\n{}", self.log_tail()))
    }

    /// Ends the process as a power cut would end it and starts it again at once, without waiting.
    /// Returns when.
    pub(super) fn kill_and_restart(&mut self) -> Result<Instant> {
        self.process.kill()?;
        let began = Instant::now();
        self.restart(&[])?;
        Ok(began)
    }

    /// Starts the process again that has ended, below a tracer where its words are given.
    pub(super) fn restart(&mut self, tracer: &[String]) -> Result<()> {
        self.process = spawn(tracer, &self.binary, &self.directory)?;
        Ok(())
    }

    /// Where everything of the node lies.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `HOST:PORT` of the API.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client of the API.
    pub(super) fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address()))
    }

    /// What the process has said since it was started.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("node.log")).unwrap_or_default()
    }

    /// The node's own metrics.
    pub(super) async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics(self.client().get("/metrics").await?.success()?.text))
    }

    /// Waits until there are so many resources, and each was checked once.
    pub(super) async fn has_checked(&self, count: usize) -> Result<()> {
        let of = |metrics: &Metrics, labels: &str| metrics.sum("bellwether_resources", labels);
        let began = Instant::now();
        loop {
            let metrics = self.metrics().await?;
            let (all, unknown) = (of(&metrics, ""), of(&metrics, "health_status=\"UNKNOWN\""));
            #[expect(clippy::cast_precision_loss, reason = "resources are far below 2^53")]
            if all == count as f64 && unknown == 0.0 {
                return Ok(());
            }
            let waited = began.elapsed();
            ensure!(waited < SETTLE, "{all} of {count} resources, {unknown} of them not checked");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What became of all slots, once the equation of the ledger holds.
    pub(super) async fn ledger(&self) -> Result<oracle::Ledger> {
        oracle::adds_up(&self.client().coverage(None).await?)
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

fn spawn(tracer: &[String], binary: &Path, directory: &TempDir) -> Result<Process> {
    let mut command = below(tracer, binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLWETHER_") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory.path()).env("RUST_LOG", LOG).env("NO_COLOR", "1");
    command.args(["run", "--config", "bellwether.yaml"]);
    Process::start("bellwether", &mut command, &directory.path().join("node.log"))
}

/// Metrics in the text format of OpenMetrics.
pub(super) struct Metrics(String);

impl Metrics {
    /// The sum of a metric over all label sets that contain `labels`; 0 where there is none.
    pub(super) fn sum(&self, name: &str, labels: &str) -> f64 {
        self.samples(name).filter(|(of, _)| of.contains(labels)).map(|(_, value)| value).sum()
    }

    /// The cumulative buckets of a histogram without labels of its own: upper bound and count.
    pub(super) fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let bound = |labels: &str| {
            let (_, rest) = labels.split_once("le=\"")?;
            rest.split_once('"')?.0.parse().ok()
        };
        let samples = self.samples_of(format!("{name}_bucket"));
        samples.filter_map(|(labels, count)| Some((bound(labels)?, count))).collect()
    }

    fn samples(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.samples_of(name.to_owned())
    }

    fn samples_of(&self, name: String) -> impl Iterator<Item = (&str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(&name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let exact = labels.is_empty() || labels.starts_with('{');
            exact.then_some(())?;
            Some((labels, value.parse().ok()?))
        })
    }
}

/// A TCP check of nothing in particular once an hour: a resource that costs memory and no time.
/// A hundred resources share each value of the label `team`.
pub(super) fn synthetic(count: usize, address: &str) -> Config {
    (0..count).fold(Config::new().timing("1h", "3s"), |config, n| {
        config.resource(serde_json::json!({
            "type": "SERVICE", "name": name(n), "labels": { "team": format!("t{}", n / 100) },
            "check": { "tcp": { "address": address } },
        }))
    })
}

/// The name of a synthetic resource; its id is `service:NAME`.
pub(super) fn name(n: usize) -> String {
    format!("s{n:06}")
}

/// The field of a line of the log, where it has it.
pub(super) fn field(line: &str, name: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get(name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_by_name_and_label() {
        let text = "a_total{x=\"1\",y=\"ok\"} 3\na_total{x=\"2\",y=\"ok\"} 4\na_total_b 9\na 7\n";
        let metrics = Metrics(text.to_owned());
        assert!((metrics.sum("a_total", "y=\"ok\"") - 7.0).abs() < 1e-9);
        assert!((metrics.sum("a_total", "x=\"2\"") - 4.0).abs() < 1e-9);
        assert!((metrics.sum("a", "") - 7.0).abs() < 1e-9);
        assert!(metrics.sum("none", "").abs() < 1e-9);
    }

    #[test]
    fn buckets_are_read_with_their_bounds() {
        let text = "h_bucket{le=\"0.5\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_count 4\n";
        let buckets = Metrics(text.to_owned()).buckets("h");
        assert_eq!(buckets, [(0.5, 3.0), (f64::INFINITY, 4.0)]);
    }
}
