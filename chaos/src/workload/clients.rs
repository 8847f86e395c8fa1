//! Clients that declare resources, change them, and read them back.
//!
//! Invariant: one writer per resource, whose versions rise, so that what a read may show follows
//! from what was asked for and what was acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use harness::{Client, eventually};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::history::{Moment, ReadNote, WriteNote};

/// The most resources of one writer, so that a look at everything stays short.
const RESOURCES: u64 = 50;
const PAUSE: Duration = Duration::from_millis(30);
/// Between two tries of a write.
const AGAIN: Duration = Duration::from_millis(25);
/// How long one of several nodes may take for a write before another is asked.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long one of several nodes may take for a read: some readers go on with another node soon,
/// and some wait for what a node says that was frozen or cut off.
const LOOKS: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(10)];
/// A write is repeated until it is acknowledged, or until the run is long over.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all clients noted.
#[derive(Debug, Default)]
struct Notes {
    writes: Vec<WriteNote>,
    reads: Vec<ReadNote>,
    refused: Vec<String>,
}

/// What all clients share.
#[derive(Debug, Default)]
struct Shared {
    nodes: Mutex<Vec<Client>>,
    notes: Mutex<Notes>,
    hushed: AtomicBool,
    /// Writes that are not acknowledged yet.
    writing: AtomicUsize,
}

/// The clients of a run. They stop when this is dropped.
#[derive(Debug)]
pub struct Clients {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts writers, and for each node as many readers.
    #[must_use]
    pub fn start(nodes: Vec<Client>, writers: u64, seed: u64, began: Instant) -> Self {
        let readers = 1..=nodes.len() as u64;
        let shared = Arc::new(Shared { nodes: Mutex::new(nodes), ..Shared::default() });
        let mut tasks = Vec::new();
        for number in 0..writers {
            let one = |salt: u64| One {
                shared: Arc::clone(&shared),
                random: StdRng::seed_from_u64(seed ^ (number << 4) ^ salt),
                number,
                began,
            };
            tasks.push(tokio::spawn(one(0).write(seed)));
            tasks.extend(readers.clone().map(|salt| tokio::spawn(one(salt).read())));
        }
        Self { shared, tasks }
    }

    /// One more node to talk to.
    pub fn join(&self, node: Client) {
        self.shared.nodes.lock().push(node);
    }

    /// Lets no further write begin, and waits until all that have begun are acknowledged.
    ///
    /// # Errors
    /// Where one is not within `limit`.
    pub async fn hush(&self, limit: Duration) -> Result<()> {
        self.shared.hushed.store(true, Ordering::SeqCst);
        eventually("all writes are acknowledged", limit, async || {
            let writing = self.shared.writing.load(Ordering::SeqCst);
            ensure!(writing == 0, "{writing} are not");
            Ok(())
        })
        .await
    }

    /// Lets writes go on.
    pub fn wake(&self) {
        self.shared.hushed.store(false, Ordering::SeqCst);
    }

    /// What was written and read so far, and what was refused although it never may be.
    #[must_use]
    pub fn noted(&self) -> (Vec<WriteNote>, Vec<ReadNote>, Vec<String>) {
        let notes = self.shared.notes.lock();
        (notes.writes.clone(), notes.reads.clone(), notes.refused.clone())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct One {
    shared: Arc<Shared>,
    random: StdRng,
    number: u64,
    began: Instant,
}

impl One {
    fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn resource(&mut self) -> String {
        format!("push:{}-{}", self.number, self.random.random_range(0..RESOURCES))
    }

    async fn write(mut self, seed: u64) {
        for version in 1.. {
            tokio::time::sleep(PAUSE).await;
            // Counted before it is looked whether it may: who hushes then waits for it, or it sees.
            self.shared.writing.fetch_add(1, Ordering::SeqCst);
            if !self.shared.hushed.load(Ordering::SeqCst) {
                self.write_one(seed, version).await;
            }
            self.shared.writing.fetch_sub(1, Ordering::SeqCst);
        }
    }

    async fn write_one(&mut self, seed: u64, version: u64) {
        let id = self.resource();
        let key = format!("{seed}-{}-{version}", self.number);
        let place = {
            let asked = self.now();
            let mut notes = self.shared.notes.lock();
            notes.writes.push(WriteNote { id: id.clone(), version, asked, acknowledged: None });
            notes.writes.len() - 1
        };
        match self.put(&id, &declaration(&id, version), &key).await {
            Ok(()) => self.shared.notes.lock().writes[place].acknowledged = Some(self.now()),
            Err(refused) => self.shared.notes.lock().refused.push(format!("{refused:#}")),
        }
    }

    /// Asks one node after another with the same key, until one acknowledges.
    async fn put(&mut self, id: &str, body: &Value, key: &str) -> Result<()> {
        let started = Instant::now();
        loop {
            let node = self.node(&[ATTEMPT])?;
            let why = match node.put(id, body, key).await {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) if answer.may_succeed_later() => answer.text,
                Ok(answer) => bail!("{id} is refused: {} {}", answer.status, answer.text),
                Err(lost) => lost.to_string(),
            };
            let took = started.elapsed();
            ensure!(took < PATIENCE, "{id} is not acknowledged in {took:?}: {why}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Any of the nodes; of several, with any of these patiences.
    fn node(&mut self, patiences: &[Duration]) -> Result<Client> {
        let nodes = self.shared.nodes.lock();
        let node = nodes.choose(&mut self.random).context("there is no node")?;
        match patiences.choose(&mut self.random) {
            Some(patience) if nodes.len() > 1 => Ok(node.patient(*patience)),
            _ => Ok(node.clone()),
        }
    }

    async fn read(mut self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let (id, node) = (self.resource(), self.node(&LOOKS));
            let (Ok(node), asked) = (node, self.now()) else { continue };
            let path = format!("/api/v1/infrastructure/resources/{id}?consistency=linearizable");
            // A node that is down or refuses says nothing about what is there.
            let Ok(answer) = node.get(&path).await else { continue };
            let version = match answer.status.as_u16() {
                200 => version(&answer.json()),
                404 => None,
                _ => continue,
            };
            let answered = self.now();
            self.shared.notes.lock().reads.push(ReadNote { id, asked, answered, version });
        }
    }
}

/// The version that a row of a written resource shows.
pub(crate) fn version(row: &Value) -> Option<u64> {
    row["labels"]["version"].as_str()?.parse().ok()
}

fn declaration(id: &str, version: u64) -> Value {
    json!({
        "type": "SERVICE", "name": id, "labels": {"version": version.to_string()},
        "check": {"push": {"ttl": "1h"}},
    })
}
