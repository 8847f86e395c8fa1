//! Clients that declare resources, change them, and read them back.
//!
//! Invariant: one writer per resource, whose versions rise, so that what a read may show follows
//! from what was asked for and what was acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use harness::Client;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::history::{Moment, ReadNote, WriteNote};

/// The most resources of one writer, so that a look at everything stays short.
const RESOURCES: u64 = 50;
const PAUSE: Duration = Duration::from_millis(30);
/// A write is repeated until it is acknowledged, or until the run is long over.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all clients noted.
#[derive(Debug, Default)]
struct Notes {
    writes: Vec<WriteNote>,
    reads: Vec<ReadNote>,
    refused: Vec<String>,
}

/// The clients of a run. They stop when this is dropped.
#[derive(Debug)]
pub struct Clients {
    notes: Arc<Mutex<Notes>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts writers, and as many readers.
    #[must_use]
    pub fn start(client: &Client, writers: u64, seed: u64, began: Instant) -> Self {
        let (notes, stop) = (Arc::default(), Arc::default());
        let mut tasks = Vec::new();
        for number in 0..writers {
            let one = |salt: u64| One {
                client: client.clone(),
                notes: Arc::clone(&notes),
                stop: Arc::clone(&stop),
                random: StdRng::seed_from_u64(seed ^ (number << 1) ^ salt),
                number,
                began,
            };
            tasks.push(tokio::spawn(one(0).write(seed)));
            tasks.push(tokio::spawn(one(1).read()));
        }
        Self { notes, stop, tasks }
    }

    /// What was written and read so far, and what was refused although it never may be.
    #[must_use]
    pub fn noted(&self) -> (Vec<WriteNote>, Vec<ReadNote>, Vec<String>) {
        let notes = self.notes.lock();
        (notes.writes.clone(), notes.reads.clone(), notes.refused.clone())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct One {
    client: Client,
    notes: Arc<Mutex<Notes>>,
    stop: Arc<AtomicBool>,
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
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let id = self.resource();
            let body = declaration(&id, version);
            let key = format!("{seed}-{}-{version}", self.number);
            let place = {
                let asked = self.now();
                let mut notes = self.notes.lock();
                notes.writes.push(WriteNote { id: id.clone(), version, asked, acknowledged: None });
                notes.writes.len() - 1
            };
            match self.client.put_until_acknowledged(&id, &body, &key, PATIENCE).await {
                Ok(_) => self.notes.lock().writes[place].acknowledged = Some(self.now()),
                Err(refused) => self.notes.lock().refused.push(format!("{refused:#}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn read(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            tokio::time::sleep(PAUSE).await;
            let (id, asked) = (self.resource(), self.now());
            let path = format!("/api/v1/infrastructure/resources/{id}?consistency=linearizable");
            // A node that is down or refuses says nothing about what is there.
            let Ok(answer) = self.client.get(&path).await else { continue };
            let version = match answer.status.as_u16() {
                200 => version(&answer.json()),
                404 => None,
                _ => continue,
            };
            let answered = self.now();
            self.notes.lock().reads.push(ReadNote { id, asked, answered, version });
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
