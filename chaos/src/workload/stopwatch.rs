//! Clients that write to some resources for a while, and note how long each write took.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::Client;
use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinHandle;

/// How long a write may take until it is acknowledged.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one node may take before another is asked.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Such clients. They stop when this is dropped.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    taken: Arc<Mutex<Vec<u64>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stopwatch {
    /// Starts one writer for each of these resources, which pauses between two writes.
    pub(crate) fn start(nodes: &[Client], ids: &[String], pause: Duration) -> Self {
        let taken = Arc::<Mutex<Vec<u64>>>::default();
        let one = |(n, id): (usize, &String)| {
            let (id, taken) = (id.clone(), Arc::clone(&taken));
            // Its own node first: which one it is does not change from write to write.
            let mut nodes: Vec<Client> = nodes.iter().map(|node| node.patient(ATTEMPT)).collect();
            let first = n % nodes.len().max(1);
            nodes.rotate_left(first);
            tokio::spawn(async move {
                for count in 0.. {
                    let began = Instant::now();
                    // What is not acknowledged in time has taken that long.
                    let _ = write(&nodes, &id, count).await;
                    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    taken.lock().push(micros);
                    tokio::time::sleep(pause).await;
                }
            })
        };
        let tasks = ids.iter().enumerate().map(one).collect();
        Self { taken, tasks }
    }

    /// How long each write took until now, in microseconds.
    pub(crate) fn taken(&self) -> Vec<u64> {
        self.taken.lock().clone()
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Writes something else than before, at one node after another until one acknowledges.
pub(crate) async fn write(nodes: &[Client], id: &str, count: u64) -> Result<()> {
    let now = Instant::now();
    let body = json!({
        "type": "SERVICE", "name": id, "labels": {"count": count.to_string()},
        "check": {"push": {"ttl": "1h"}},
    });
    let key = format!("{id}-{count}-{now:?}").replace(|c: char| !c.is_ascii_graphic(), "");
    loop {
        for node in nodes {
            if node.put(id, &body, &key).await.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(());
            }
        }
        anyhow::ensure!(now.elapsed() < PATIENCE, "{id} is not acknowledged in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
