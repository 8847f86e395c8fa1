//! Show 3: the node is killed at random moments while 200 targets flip, and afterwards nothing
//! that was acknowledged is missing, no event is lost, and the ledger agrees with the targets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Client, Config, Node,
    control::{note, rounds, seeded},
    eventually,
    oracle::{self, Bounds, EventFile, within_bounds},
    targets::{Flipper, Protocol, Target, Targets},
};
use model::WallTime;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const HTTP: usize = 150;
const TCP: usize = 50;
const WRITERS: u64 = 4;
const INTERVAL: Duration = Duration::from_secs(1);
/// A node that is killed again and again may take this long to acknowledge one write.
const ACKNOWLEDGED: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn semantics_7_to_11_and_17_hold_when_the_node_is_killed_at_random_moments() -> Result<()> {
    let (seed, mut random) = seeded("kill");
    let mut run = Run::start(seed).await?;
    let rounds = rounds(8);
    for _ in 0..rounds {
        run.kill_after(Duration::from_millis(random.random_range(100..2_500))).await?;
    }
    let acknowledged = run.stop_writing().await?;
    run.every_acknowledged_write_is_there(&acknowledged).await?;
    run.everybody_agrees_with_the_targets().await?;
    run.the_event_file_is_complete().await?;
    run.the_ledger_agrees_with_the_targets().await?;
    let slowest = run.restarts.iter().max().copied().unwrap_or_default();
    note(&format!(
        "kill: {rounds} kills, {} acknowledged writes, slowest restart {slowest:?}",
        acknowledged.len()
    ));
    Ok(())
}

/// The last version that was acknowledged of each resource.
type Acknowledged = BTreeMap<String, u64>;

struct Run {
    node: Node,
    http: Targets,
    tcp: Targets,
    flipper: Option<Flipper>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Result<Acknowledged>>>,
    kills: Vec<Instant>,
    restarts: Vec<Duration>,
}

impl Run {
    async fn start(seed: u64) -> Result<Self> {
        let http = Targets::start(Protocol::Http, HTTP).await?;
        let tcp = Targets::start(Protocol::Tcp, TCP).await?;
        let node = Node::start(&Config::new().timing("1s", "900ms")).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut run = Self {
            node,
            http,
            tcp,
            flipper: None,
            stop,
            writers: Vec::new(),
            kills: Vec::new(),
            restarts: Vec::new(),
        };
        run.declare_targets().await?;
        let targets = run.watched().map(|(_, target, _)| Arc::clone(target)).collect();
        run.flipper = Some(Flipper::start(targets, Duration::from_millis(10), seed));
        for writer in 0..WRITERS {
            let (client, stop) = (run.node.client(), Arc::clone(&run.stop));
            run.writers.push(tokio::spawn(write(client, stop, seed, writer)));
        }
        Ok(run)
    }

    /// Every watched target: its resource's id, its switch, its check.
    fn watched(&self) -> impl Iterator<Item = (String, &Arc<Target>, Value)> {
        let http =
            (0..HTTP).map(|n| (format!("http:{n}"), self.http.target(n), self.http.check(n)));
        let tcp = (0..TCP).map(|n| (format!("tcp:{n}"), self.tcp.target(n), self.tcp.check(n)));
        http.chain(tcp)
    }

    async fn declare_targets(&self) -> Result<()> {
        let client = self.node.client();
        for (id, _, check) in self.watched() {
            let body = json!({"type": "ENDPOINT", "name": id, "check": check});
            client.put(&id, &body, &id).await?.success()?;
        }
        Ok(())
    }

    async fn kill_after(&mut self, moment: Duration) -> Result<()> {
        tokio::time::sleep(moment).await;
        self.node.kill()?;
        self.kills.push(Instant::now());
        self.restarts.push(self.node.launch().await?);
        Ok(())
    }

    async fn stop_writing(&mut self) -> Result<Acknowledged> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Acknowledged::new();
        for writer in self.writers.drain(..) {
            all.extend(writer.await??);
        }
        ensure!(!all.is_empty(), "no write was acknowledged at all");
        Ok(all)
    }

    async fn every_acknowledged_write_is_there(&self, acknowledged: &Acknowledged) -> Result<()> {
        let rows = self.node.client().list("limit=5000").await?;
        let shown: BTreeMap<&str, Option<&str>> = rows
            .iter()
            .filter_map(|row| {
                Some((row["resource_id"].as_str()?, row["labels"]["version"].as_str()))
            })
            .collect();
        let missing: Vec<String> = acknowledged
            .iter()
            .filter(|(id, version)| {
                shown.get(id.as_str()) != Some(&Some(version.to_string().as_str()))
            })
            .map(|(id, version)| {
                format!(
                    "{id}: version {version} was acknowledged, found {:?}",
                    shown.get(id.as_str())
                )
            })
            .collect();
        oracle::none("acknowledged writes", &missing)
    }

    /// Once nothing flips any more, every resource shows what its target is.
    async fn everybody_agrees_with_the_targets(&mut self) -> Result<()> {
        self.flipper.take().context("nothing flips")?.stop().await;
        let client = self.node.client();
        eventually("all health is that of the targets", SETTLED, async || {
            let rows = client.list("resource_type=ENDPOINT&limit=5000").await?;
            let shown: BTreeMap<&str, &Value> = rows
                .iter()
                .filter_map(|row| Some((row["resource_id"].as_str()?, &row["health_status"])))
                .collect();
            for (id, target, _) in self.watched() {
                let wanted = if target.is_up() { "HEALTHY" } else { "CRITICAL" };
                let found = shown.get(id.as_str()).context("a target is not listed")?;
                ensure!(**found == wanted, "{id} is {found}, its target is {wanted}");
            }
            Ok(())
        })
        .await
    }

    async fn the_event_file_is_complete(&self) -> Result<()> {
        let (client, path) = (self.node.client(), self.node.events_file());
        let file = eventually("the file has every event", SETTLED, async || {
            let rows = client.list("limit=5000").await?;
            let file = EventFile::read(&path)?;
            let told = file.last_sequences();
            for row in &rows {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let life = (text("resource_id"), text("incarnation"));
                let last = told.get(&life).copied();
                ensure!(last == row["sequence"].as_u64(), "{life:?} ends at {last:?}: {row}");
            }
            Ok(file)
        })
        .await?;
        oracle::none("the event file", &file.violations())?;
        let verify = self.node.cli(&["events", "verify", &path.display().to_string()])?;
        ensure!(verify.status.success(), "events verify: {verify:?}");
        Ok(())
    }

    async fn the_ledger_agrees_with_the_targets(&self) -> Result<()> {
        let client = self.node.client();
        oracle::adds_up(&client.coverage(None).await?)?;
        let bounds =
            Bounds { kills: self.kills.clone(), in_flight: INTERVAL, settled: Instant::now() };
        let settled = now_millis();
        let mut wrong = Vec::new();
        for (id, target, _) in self.watched() {
            let ledger = eventually("all slots up to now have ended", SETTLED, async || {
                let ledger = oracle::adds_up(&client.coverage(Some(&id)).await?)?;
                let to = WallTime::parse_rfc3339(&ledger.to).context("`to` is no time")?;
                ensure!(to.0 >= settled, "{id}: the watermark is {}", ledger.to);
                Ok(ledger)
            })
            .await?;
            wrong.extend(within_bounds(&id, &ledger, &target.log(), &bounds));
        }
        oracle::none("probes and ledger", &wrong)
    }
}

fn now_millis() -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// Declares resources and changes them, through kills, and remembers what was acknowledged.
async fn write(
    client: Client,
    stop: Arc<AtomicBool>,
    seed: u64,
    writer: u64,
) -> Result<Acknowledged> {
    let mut random = StdRng::seed_from_u64(seed ^ (writer + 1));
    let mut acknowledged = Acknowledged::new();
    let mut version = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        version += 1;
        let known = acknowledged.len() as u64;
        let n = if known == 0 || random.random_bool(0.3) {
            known
        } else {
            random.random_range(0..known)
        };
        let id = format!("push:{writer}-{n}");
        let body = json!({
            "type": "SERVICE", "name": id, "labels": {"version": version.to_string()},
            "check": {"push": {"ttl": "1h"}},
        });
        let key = format!("{seed}-{writer}-{version}");
        client.put_until_acknowledged(&id, &body, &key, ACKNOWLEDGED).await?;
        acknowledged.insert(id, version);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(acknowledged)
}
