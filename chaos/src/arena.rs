//! The place of a run: one node, its targets and clients, and the record of what happens.
//!
//! Invariant: an end of the process that the scenario did not ask for is recorded, whoever
//! notices it.

mod look;

use std::{
    collections::BTreeMap,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use harness::{Node, process};
use rand::rngs::StdRng;

use crate::{
    history::{Damage, End, FaultNote, History, Moment, Sighting, Start},
    lag::Lags,
    workload::{Clients, Crowd, Watched},
};

const SAMPLE: Duration = Duration::from_millis(100);
/// How much of the node's log an end keeps.
const LAST_WORDS: usize = 4;

/// See the module.
pub struct Arena {
    pub(crate) node: Node,
    pub(crate) crowd: Crowd,
    pub(crate) clients: Option<Clients>,
    pub(crate) history: History,
    pub(crate) began: Instant,
    pub(crate) lags: Lags,
    pub(crate) round: u32,
    pub(crate) random: StdRng,
    pub(crate) verbose: bool,
}

/// What came of a start that may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It is ready.
    Ready,
    /// It ended, with these last words.
    Refused(String),
}

impl Arena {
    /// The choices of this run.
    pub fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }

    /// The node.
    pub fn node(&mut self) -> &mut Node {
        &mut self.node
    }

    /// The present round, from 1.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.round
    }

    /// The time since the run began.
    #[must_use]
    pub fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes down what is done now.
    pub fn fault(&mut self, what: impl Into<String>) {
        let note = FaultNote { at: self.now(), round: self.round, what: what.into() };
        if self.verbose {
            crate::progress::say(&format!("  {:>7} ms  {}", note.at, note.what));
        }
        self.history.faults.push(note);
    }

    /// Writes down a damage and what came of it.
    pub fn damage(&mut self, damage: Damage) {
        self.history.damages.push(damage);
    }

    /// Watches something that the scenario brings along, from now on.
    ///
    /// # Errors
    /// Where its declaration is refused.
    pub async fn watch(&mut self, watched: Arc<dyn Watched>) -> Result<()> {
        let client = self.node.client();
        self.crowd.join(&client, watched).await
    }

    /// Writes down how resources are shown now, while they are hurt, and what they must be.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub async fn sight(&mut self, under: &str, expected: &BTreeMap<String, &str>) -> Result<()> {
        let rows = look::rows(&self.node.client()).await?;
        let at = self.now();
        for row in rows {
            let Some(&expected) = expected.get(&row.id) else { continue };
            let (under, expected) = (under.to_owned(), expected.to_owned());
            self.history.sightings.push(Sighting { at, under, row, expected });
        }
        Ok(())
    }

    /// Lets everything go on for a while, looking after the process.
    ///
    /// # Errors
    /// Where the process ends meanwhile.
    pub async fn run(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.sample()?;
            tokio::time::sleep(SAMPLE.min(until.saturating_duration_since(Instant::now()))).await;
        }
        Ok(())
    }

    /// Ends the process as the machine's own death would.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.node.kill()?;
        self.ended("killed".to_owned(), true);
        Ok(())
    }

    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not get ready.
    pub async fn start(&mut self) -> Result<()> {
        match self.try_start().await? {
            Started::Ready => Ok(()),
            Started::Refused(words) => bail!("the node does not start again: {words}"),
        }
    }

    /// Starts the process and does not wait: something is to happen to it before it is ready.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn begin_start(&mut self) -> Result<()> {
        let at = self.now();
        self.node.start_process()?;
        self.history.starts.push(Start { at, ready_after: None });
        Ok(())
    }

    /// Starts the process, which may refuse.
    ///
    /// # Errors
    /// Where it neither gets ready nor ends within a minute.
    pub async fn try_start(&mut self) -> Result<Started> {
        let (at, started) = (self.now(), Instant::now());
        self.node.start_process()?;
        let client = self.node.client();
        loop {
            if client.is_ready().await {
                let ready_after = u64::try_from(started.elapsed().as_millis()).ok();
                self.history.starts.push(Start { at, ready_after });
                return Ok(Started::Ready);
            }
            if self.node.ended()?.is_some() {
                self.history.starts.push(Start { at, ready_after: None });
                return Ok(Started::Refused(self.last_words()));
            }
            ensure!(
                started.elapsed() < Duration::from_secs(60),
                "neither ready nor ended after a minute: {}",
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the process ends by itself, as the fault wants it.
    ///
    /// # Errors
    /// Where it is still there after `limit`.
    pub async fn until_it_ends(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.node.ended()? {
                let words = self.last_words();
                self.ended(format!("{status}: {words}"), true);
                return Ok(status);
            }
            ensure!(started.elapsed() < limit, "the node goes on after {limit:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The last lines of the node's log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let tail = self.node.log_tail();
        let lines: Vec<&str> = tail.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join(" | ")
    }

    /// Notes the memory, and an end that nobody wanted.
    pub(crate) fn sample(&mut self) -> Result<()> {
        if let Some(status) = self.node.ended()? {
            let words = self.last_words();
            self.ended(format!("{status}: {words}"), false);
            bail!("the node ended by itself with {status}: {words}");
        }
        let pid = self.node.pid().context("the node is not running")?;
        // It may end between the two looks; the next one will say so.
        if let Ok(cost) = process::cost(pid) {
            self.history.memory.push((self.now(), cost.resident_bytes));
        }
        Ok(())
    }

    fn ended(&mut self, how: String, expected: bool) {
        let at = self.now();
        self.history.ends.push(End { at, expected, how });
    }
}
