//! Ends and starts of the nodes' processes, and what they cost.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use harness::{cluster::name, process};

use super::{Arena, Started};
use crate::history::{End, Resident, Start};

/// How much of a node's log an end keeps.
const LAST_WORDS: usize = 4;
/// How long a stop in order may take.
const STOPS: Duration = Duration::from_secs(30);
/// How long a start may take.
const STARTS: Duration = Duration::from_secs(60);

impl Arena {
    /// Ends the process as the machine's own death would.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.kill_at(0)
    }

    /// The same of the node at this place.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill_at(&mut self, n: usize) -> Result<()> {
        self.cluster.nodes[n].kill()?;
        self.ended(n, "killed".to_owned(), true);
        Ok(())
    }

    /// Ends the process of the node at this place in order, as a service manager does.
    ///
    /// # Errors
    /// Where it does not end, or not well.
    pub async fn stop_at(&mut self, n: usize) -> Result<()> {
        let status = self.cluster.nodes[n].terminate(STOPS).await?;
        self.ended(n, format!("stopped: {status}"), true);
        ensure!(status.success(), "{} stopped with {status}: {}", name(n), self.last_words_of(n));
        Ok(())
    }

    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not get ready.
    pub async fn start(&mut self) -> Result<()> {
        self.start_at(0).await
    }

    /// The same of the node at this place.
    ///
    /// # Errors
    /// Where it does not get ready.
    pub async fn start_at(&mut self, n: usize) -> Result<()> {
        match self.try_start_at(n).await? {
            Started::Ready => Ok(()),
            Started::Refused(words) => bail!("{} does not start again: {words}", name(n)),
        }
    }

    /// Starts the process and does not wait: something is to happen to it before it is ready.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn begin_start(&mut self) -> Result<()> {
        self.begin_start_at(0)
    }

    /// The same of the node at this place.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn begin_start_at(&mut self, n: usize) -> Result<()> {
        let at = self.now();
        self.cluster.nodes[n].start_process()?;
        self.history.starts.push(Start { node: name(n), at, ready_after: None });
        Ok(())
    }

    /// Starts the process, which may refuse.
    ///
    /// # Errors
    /// Where it neither gets ready nor ends within a minute.
    pub async fn try_start(&mut self) -> Result<Started> {
        self.try_start_at(0).await
    }

    /// The same of the node at this place.
    ///
    /// # Errors
    /// Where it neither gets ready nor ends within a minute.
    pub async fn try_start_at(&mut self, n: usize) -> Result<Started> {
        self.begin_start_at(n)?;
        let (place, started) = (self.history.starts.len() - 1, Instant::now());
        let client = self.cluster.nodes[n].client();
        loop {
            if client.is_ready().await {
                let ready_after = u64::try_from(started.elapsed().as_millis()).ok();
                self.history.starts[place].ready_after = ready_after;
                return Ok(Started::Ready);
            }
            if self.cluster.nodes[n].ended()?.is_some() {
                return Ok(Started::Refused(self.last_words_of(n)));
            }
            ensure!(
                started.elapsed() < STARTS,
                "{} is neither ready nor ended after {STARTS:?}: {}",
                name(n),
                self.last_words_of(n)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the process ends by itself, as the fault wants it.
    ///
    /// # Errors
    /// Where it is still there after `limit`.
    pub async fn until_it_ends(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.until_it_ends_at(0, limit).await
    }

    /// The same of the node at this place.
    ///
    /// # Errors
    /// Where it is still there after `limit`.
    pub async fn until_it_ends_at(&mut self, n: usize, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.cluster.nodes[n].ended()? {
                let words = self.last_words_of(n);
                self.ended(n, format!("{status}: {words}"), true);
                return Ok(status);
            }
            ensure!(started.elapsed() < limit, "{} goes on after {limit:?}", name(n));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The last lines of the node's log.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.last_words_of(0)
    }

    pub(crate) fn last_words_of(&self, n: usize) -> String {
        let tail = self.nodes()[n].log_tail();
        let lines: Vec<&str> = tail.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join(" | ")
    }

    /// Notes the memory, and an end that nobody wanted.
    pub(crate) fn sample(&mut self) -> Result<()> {
        for n in 0..self.nodes().len() {
            if let Some(status) = self.cluster.nodes[n].ended()? {
                let words = self.last_words_of(n);
                self.ended(n, format!("{status}: {words}"), false);
                bail!("{} ended by itself with {status}: {words}", name(n));
            }
            let Some(pid) = self.nodes()[n].pid() else { continue };
            // It may end between the two looks; the next one will say so.
            if let Ok(cost) = process::cost(pid) {
                let resident = Resident(self.now(), cost.resident_bytes, name(n));
                self.history.memory.push(resident);
            }
        }
        ensure!(self.nodes().iter().any(|node| node.pid().is_some()), "no node is running");
        Ok(())
    }

    fn ended(&mut self, n: usize, how: String, expected: bool) {
        let at = self.now();
        self.history.ends.push(End { node: name(n), at, expected, how });
    }
}
