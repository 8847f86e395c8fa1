//! Keeps the harness on time, and notes where it was not: what it saw late it cannot hold
//! against the node.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use harness::Node;
use parking_lot::Mutex;
use rustix::process::{getpriority_process, setpriority_process};
use tokio::task::JoinHandle;

use crate::history::{Lag, Moment};

const TICK: Duration = Duration::from_millis(20);
/// A tick that comes so much later is noted.
const NOTED: Duration = Duration::from_millis(100);
/// How far the harness is put above the node.
const ABOVE: i32 = 10;

/// Puts the harness above the nodes, where it may be: targets that answer late would be called
/// slow, and rightly so.
pub(crate) fn put_above(nodes: &mut [Node]) {
    let now = getpriority_process(None).unwrap_or(0);
    // Raised once; the nodes must not inherit it.
    if now <= -ABOVE || setpriority_process(None, now - ABOVE).is_ok() {
        for node in nodes {
            node.launcher().wrap(["nice", "-n", &ABOVE.to_string()]);
        }
    }
}

/// Watches how late the harness is, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lags {
    noted: Arc<Mutex<Vec<Lag>>>,
    task: JoinHandle<()>,
}

impl Lags {
    pub(crate) fn start(began: Instant) -> Self {
        let noted = Arc::<Mutex<Vec<Lag>>>::default();
        let notes = Arc::clone(&noted);
        let task = tokio::spawn(async move {
            loop {
                let from = Instant::now();
                tokio::time::sleep(TICK).await;
                let late = from.elapsed().saturating_sub(TICK);
                if late >= NOTED {
                    let until = millis(began.elapsed());
                    notes.lock().push(Lag { from: until.saturating_sub(millis(late)), until });
                }
            }
        });
        Self { noted, task }
    }

    pub(crate) fn noted(&self) -> Vec<Lag> {
        self.noted.lock().clone()
    }
}

impl Drop for Lags {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn millis(span: Duration) -> Moment {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
