//! Clients that declare resources, change them, and read them back.
//!
//! Invariant: a resource has either one writer, whose versions rise, so that what a read may show
//! follows from what was asked for and what was acknowledged; or several, whose operations are all
//! written down ([`registers`]).

mod caller;
mod registers;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{Client, Method, eventually};
use parking_lot::Mutex;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub(crate) use self::caller::Notes;
use self::{
    caller::{Caller, Outcome, Shared, Write},
    registers::Kind,
};
use super::Workload;
use crate::history::{ReadNote, WriteNote};

/// The most resources of one writer, so that a look at everything stays short.
const RESOURCES: u64 = 50;
/// A write is repeated until it is acknowledged, or until the run is long over.
const PATIENCE: Duration = Duration::from_secs(180);

/// The clients of a run. They stop when this is dropped.
#[derive(Debug)]
pub struct Clients {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts writers, for each node as many readers, and those who share registers.
    #[must_use]
    pub fn start(nodes: Vec<Client>, workload: Workload, seed: u64, began: Instant) -> Self {
        let Workload { writers, sharing, .. } = workload;
        let pause = Duration::from_millis(workload.pause);
        let readers = 1..=nodes.len() as u64;
        let shared = Arc::new(Shared { nodes: Mutex::new(nodes), ..Shared::default() });
        let mut tasks = Vec::new();
        for number in 0..writers {
            let one = |salt: u64| Caller::new(&shared, number, seed ^ (number << 4) ^ salt, began);
            tasks.push(tokio::spawn(one(0).write(seed, pause)));
            tasks.extend(readers.clone().map(|salt| tokio::spawn(one(salt).read(pause))));
        }
        let sharers = if sharing { registers::CLIENTS } else { 0 };
        for number in 0..sharers {
            for (kind, salt) in [(Kind::Resource, 1 << 32), (Kind::Window, 1 << 33)] {
                let one = Caller::new(&shared, number, seed ^ (number << 4) ^ salt, began);
                tasks.push(tokio::spawn(one.share(kind, seed)));
            }
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
        self.shared.era.fetch_add(1, Ordering::SeqCst);
        self.shared.hushed.store(false, Ordering::SeqCst);
    }

    /// What was noted so far.
    #[must_use]
    pub(crate) fn noted(&self) -> Notes {
        self.shared.notes.lock().clone()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Caller {
    fn resource(&mut self) -> String {
        format!("push:{}-{}", self.number, self.random.random_range(0..RESOURCES))
    }

    async fn write(mut self, seed: u64, pause: Duration) {
        for version in 1.. {
            tokio::time::sleep(pause).await;
            self.in_turn(async |me| me.write_one(seed, version).await).await;
        }
    }

    async fn write_one(&mut self, seed: u64, version: u64) {
        let id = self.resource();
        let write = Write {
            method: Method::PUT,
            path: format!("/api/v1/infrastructure/resources/{id}"),
            key: format!("{seed}-{}-{version}", self.number),
            body: Some(declaration(&id, version)),
        };
        let place = {
            let asked = self.now();
            let mut notes = self.shared.notes.lock();
            notes.writes.push(WriteNote { id, version, asked, acknowledged: None });
            notes.writes.len() - 1
        };
        let outcome = self.until_done(&write, PATIENCE).await;
        let now = self.now();
        let mut notes = self.shared.notes.lock();
        match outcome {
            Outcome::Done => notes.writes[place].acknowledged = Some(now),
            Outcome::Refused(why) | Outcome::Unknown(why) => notes.refused.push(why),
        }
    }

    async fn read(mut self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            let (id, asked) = (self.resource(), self.now());
            let path = format!("/api/v1/infrastructure/resources/{id}?consistency=linearizable");
            // A node that is down or refuses says nothing about what is there.
            let Ok(answer) = self.look(&path).await else { continue };
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
