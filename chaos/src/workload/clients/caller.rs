//! One client among several: whom it asks, for how long, and where it notes what came of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use harness::{Client, Method};
use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;

use crate::history::{Moment, Operation, ReadNote, WriteNote};

/// Between two tries of a write.
const AGAIN: Duration = Duration::from_millis(25);
/// How long one of several nodes may take for a write before another is asked.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long one of several nodes may take for a read: some readers go on with another node soon,
/// and some wait for what a node says that was frozen or cut off.
const LOOKS: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(10)];

/// What all clients noted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// Writes of resources that have one writer.
    pub(crate) writes: Vec<WriteNote>,
    /// Reads of them.
    pub(crate) reads: Vec<ReadNote>,
    /// What was done to registers that have several.
    pub(crate) operations: Vec<Operation>,
    /// What was refused although it never may be.
    pub(crate) refused: Vec<String>,
}

/// What all clients share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) nodes: Mutex<Vec<Client>>,
    pub(super) notes: Mutex<Notes>,
    pub(super) hushed: AtomicBool,
    /// Writes that are not acknowledged yet.
    pub(super) writing: AtomicUsize,
    /// How often they were woken.
    pub(super) era: AtomicU64,
}

/// A write, which may be sent any number of times: the key makes one of them.
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) body: Option<Value>,
}

/// What came of a write.
pub(super) enum Outcome {
    /// It is acknowledged.
    Done,
    /// It never may be.
    Refused(String),
    /// Nobody has said so in time: it may be done, now or later.
    Unknown(String),
}

/// See the module.
pub(super) struct Caller {
    pub(super) shared: Arc<Shared>,
    pub(super) random: StdRng,
    pub(super) number: u64,
    began: Instant,
}

impl Caller {
    /// One that makes choices of its own.
    pub(super) fn new(shared: &Arc<Shared>, number: u64, seed: u64, began: Instant) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { shared: Arc::clone(shared), random, number, began }
    }

    pub(super) fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Lets a write begin, unless there shall be none.
    pub(super) async fn in_turn(&mut self, write: impl AsyncFnOnce(&mut Self)) {
        // Counted before it is looked whether it may: who hushes then waits for it, or it sees.
        self.shared.writing.fetch_add(1, Ordering::SeqCst);
        if !self.shared.hushed.load(Ordering::SeqCst) {
            write(self).await;
        }
        self.shared.writing.fetch_sub(1, Ordering::SeqCst);
    }

    /// Asks one node after another for the same, until one has done it or the time is up.
    pub(super) async fn until_done(&mut self, write: &Write, limit: Duration) -> Outcome {
        let started = Instant::now();
        loop {
            let why = match self.send(write).await {
                Ok(answer) if answer.status.is_success() => return Outcome::Done,
                Ok(answer) if answer.may_succeed_later() => answer.text,
                // Another one was quicker to take away what is no more.
                Ok(answer) if write.method == Method::DELETE && answer.status == 404 => {
                    return Outcome::Done;
                }
                Ok(answer) => {
                    let (status, text) = (answer.status, answer.text);
                    return Outcome::Refused(format!("{} is refused: {status} {text}", write.path));
                }
                Err(lost) => lost.to_string(),
            };
            let took = started.elapsed();
            if took >= limit {
                let path = &write.path;
                return Outcome::Unknown(format!("{path} is not acknowledged in {took:?}: {why}"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn send(&mut self, write: &Write) -> Result<harness::Answer> {
        let headers = [("idempotency-key", write.key.as_str())];
        let body = write.body.as_ref().map(Value::to_string);
        self.node(&[ATTEMPT])?.send(write.method.clone(), &write.path, &headers, body).await
    }

    /// Asks any of the nodes.
    ///
    /// # Errors
    /// None has answered, which says nothing.
    pub(super) async fn look(&mut self, path: &str) -> Result<harness::Answer> {
        self.node(&LOOKS)?.get(path).await
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
}
