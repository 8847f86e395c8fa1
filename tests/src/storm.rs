//! Nodes are killed at random moments while targets flip and clients write; afterwards nothing
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
use model::WallTime;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    Client, Node, eventually,
    oracle::{self, Bounds, EventFile, within_bounds},
    targets::{Flipper, Protocol, Target, Targets},
};

const HTTP: usize = 150;
const TCP: usize = 50;
const WRITERS: u64 = 4;
const INTERVAL: Duration = Duration::from_secs(1);
/// A node that is killed again and again may take this long to acknowledge one write.
const ACKNOWLEDGED: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(60);

/// The last version that was acknowledged of each resource.
pub type Acknowledged = BTreeMap<String, u64>;

/// See the module.
pub struct Storm {
    /// The nodes of one cluster, running.
    pub nodes: Vec<Node>,
    http: Targets,
    tcp: Targets,
    flipper: Option<Flipper>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Result<Acknowledged>>>,
    kills: Vec<Instant>,
    /// How long each start took.
    pub restarts: Vec<Duration>,
}

impl Storm {
    /// Declares targets and begins to flip them and to write. Declarations take `timing` as the
    /// nodes' default: an interval of a second.
    ///
    /// # Errors
    /// Where a node does not take a declaration.
    pub async fn start(nodes: Vec<Node>, seed: u64) -> Result<Self> {
        let http = Targets::start(Protocol::Http, HTTP).await?;
        let tcp = Targets::start(Protocol::Tcp, TCP).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut run = Self {
            nodes,
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
            let (clients, stop) = (run.clients(), Arc::clone(&run.stop));
            run.writers.push(tokio::spawn(write(clients, stop, seed, writer)));
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
        let client = self.client();
        for (id, _, check) in self.watched() {
            let body = json!({"type": "ENDPOINT", "name": id, "check": check});
            client.put_until_acknowledged(&id, &body, &id, ACKNOWLEDGED).await?;
        }
        Ok(())
    }

    fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(Node::client).collect()
    }

    fn client(&self) -> Client {
        self.nodes[0].client()
    }

    /// Kills a node after a while.
    ///
    /// # Errors
    /// Where it did not run.
    pub async fn kill_after(&mut self, victim: usize, moment: Duration) -> Result<()> {
        tokio::time::sleep(moment).await;
        self.nodes[victim].kill()?;
        self.kills.push(Instant::now());
        Ok(())
    }

    /// Starts a node again and waits until it is ready.
    ///
    /// # Errors
    /// Shows the end of its log where it does not get ready.
    pub async fn launch(&mut self, victim: usize) -> Result<()> {
        self.restarts.push(self.nodes[victim].launch().await?);
        Ok(())
    }

    /// The slowest of the starts.
    #[must_use]
    pub fn slowest_restart(&self) -> Duration {
        self.restarts.iter().max().copied().unwrap_or_default()
    }

    /// Ends the writing and the flipping, and judges. Returns how many writes were acknowledged
    /// and how many events are in the files of more than one node.
    ///
    /// # Errors
    /// Shows what is wrong.
    pub async fn judge(&mut self) -> Result<(usize, usize)> {
        let acknowledged = self.stop_writing().await?;
        self.every_acknowledged_write_is_there(&acknowledged).await?;
        self.everybody_agrees_with_the_targets().await?;
        let repeats = self.the_event_files_are_complete().await?;
        self.the_ledger_agrees_with_the_targets().await?;
        Ok((acknowledged.len(), repeats))
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
        let rows = self.client().list("limit=5000").await?;
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
        let client = self.client();
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

    async fn the_event_files_are_complete(&self) -> Result<usize> {
        let client = self.client();
        let (told, repeats) = eventually("the files have every event", SETTLED, async || {
            let rows = client.list("limit=5000").await?;
            let files = self.nodes.iter().map(|node| EventFile::read(&node.events_file()));
            let (file, repeats) = EventFile::merge(&files.collect::<Result<Vec<_>>>()?)?;
            let told = file.last_sequences();
            for row in &rows {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let life = (text("resource_id"), text("incarnation"));
                let last = told.get(&life).copied();
                ensure!(last == row["sequence"].as_u64(), "{life:?} ends at {last:?}: {row}");
            }
            Ok((file, repeats))
        })
        .await?;
        oracle::none("the event files", &told.violations())?;
        let paths = self.nodes.iter().map(|node| node.events_file().display().to_string());
        let arguments: Vec<String> =
            ["events", "verify"].map(str::to_owned).into_iter().chain(paths).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let verify = self.nodes[0].cli(&arguments)?;
        ensure!(verify.status.success(), "events verify: {verify:?}");
        Ok(repeats)
    }

    async fn the_ledger_agrees_with_the_targets(&self) -> Result<()> {
        let client = self.client();
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
    clients: Vec<Client>,
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
        put(&clients, &mut random, &id, &body, &key).await?;
        acknowledged.insert(id, version);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(acknowledged)
}

/// Asks one node after another, any of which may be down.
async fn put(
    clients: &[Client],
    random: &mut StdRng,
    id: &str,
    body: &Value,
    key: &str,
) -> Result<()> {
    let started = Instant::now();
    loop {
        let client = &clients[random.random_range(0..clients.len())];
        let patience = Duration::from_millis(500);
        match client.put_until_acknowledged(id, body, key, patience).await {
            Ok(_) => return Ok(()),
            Err(why) => ensure!(started.elapsed() < ACKNOWLEDGED, "{why:#}"),
        }
    }
}
