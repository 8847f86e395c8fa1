//! What stands in for the exporter's Prometheus: asks for each target once in an interval, at a
//! moment of its own, whatever became of the former questions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::super::http::Connection;

/// Connections that are kept open, as Prometheus keeps them; a question waits for one.
const CONNECTIONS: usize = 64;

/// See the module. It stops when it is dropped.
pub(super) struct Prober {
    tally: Arc<Tally>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Tally {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Prober {
    pub(super) fn start(address: &str, questions: Vec<String>, interval: Duration) -> Self {
        let (tally, mut tasks) = (Arc::new(Tally::default()), JoinSet::new());
        let (ask, asked) = mpsc::channel(questions.len().max(1));
        let asked = Arc::new(Mutex::new(asked));
        for _ in 0..CONNECTIONS {
            tasks.spawn(answer(address.to_owned(), Arc::clone(&asked), Arc::clone(&tally)));
        }
        tasks.spawn(schedule(questions, interval, ask));
        Self { tally, _tasks: tasks }
    }

    /// How many probes succeeded so far.
    ///
    /// # Errors
    /// One that did not: then the figures mean nothing.
    pub(super) fn done(&self) -> Result<u64> {
        let failed = self.tally.failed.load(Ordering::Relaxed);
        ensure!(failed == 0, "{failed} probes of the blackbox exporter failed");
        Ok(self.tally.succeeded.load(Ordering::Relaxed))
    }
}

async fn schedule(questions: Vec<String>, interval: Duration, ask: mpsc::Sender<String>) {
    let Ok(count) = u32::try_from(questions.len()) else { return };
    let (step, began) = (interval / count.max(1), Instant::now());
    for (n, question) in (0u32..).zip(questions.iter().cycle()) {
        sleep_until(began + step * n).await;
        // With a whole interval of questions unanswered the figures are refused anyway.
        if ask.try_send(question.clone()).is_err() {
            return;
        }
    }
}

async fn answer(address: String, asked: Arc<Mutex<mpsc::Receiver<String>>>, tally: Arc<Tally>) {
    let mut connection = None;
    loop {
        let Some(question) = asked.lock().await.recv().await else { return };
        let succeeded = probe(&mut connection, &address, &question).await.unwrap_or(false);
        let count = if succeeded { &tally.succeeded } else { &tally.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn probe(open: &mut Option<Connection>, address: &str, question: &str) -> Result<bool> {
    let mut connection = match open.take() {
        Some(connection) => connection,
        None => Connection::open(address).await?,
    };
    let body = connection.get(question).await?;
    let succeeded = body.split(|byte| *byte == b'\n').any(|line| line == b"probe_success 1");
    *open = Some(connection);
    Ok(succeeded)
}
