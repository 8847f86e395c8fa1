//! The place of a run: the nodes, their targets and clients, and the record of what happens.
//!
//! Invariant: an end of a process that the scenario did not ask for is recorded, whoever
//! notices it.

mod look;
mod members;
mod picture;
mod process;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::{Client, Cluster, Node, consumer::Consumer};
use rand::rngs::StdRng;

use crate::{
    history::{Damage, FaultNote, History, Moment, Sighting},
    lag::Lags,
    mechanism::Network,
    workload::{Clients, Crowd, Watched},
};

pub use members::Change;
pub(crate) use members::{groups, member, term, terms};

const SAMPLE: Duration = Duration::from_millis(100);
const TURN: Duration = Duration::from_secs(1);

/// See the module.
pub struct Arena {
    pub(crate) cluster: Cluster,
    /// Where the nodes' links are cut; absent where all is on the loopback interface.
    pub(crate) network: Option<Network>,
    /// The event files of data directories that are gone: what was told is told.
    pub(crate) kept: Vec<(String, PathBuf)>,
    /// Who reads the events from outside, if anybody does.
    pub(crate) consumer: Option<Consumer>,
    pub(crate) crowd: Crowd,
    pub(crate) clients: Option<Clients>,
    pub(crate) history: History,
    pub(crate) began: Instant,
    pub(crate) lags: Lags,
    pub(crate) round: u32,
    /// A node that is not chosen to be hurt, if there shall be one.
    pub(crate) spared: Option<usize>,
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

    /// The node; of several the first.
    pub fn node(&mut self) -> &mut Node {
        &mut self.cluster.nodes[0]
    }

    /// The node at this place.
    pub fn node_at(&mut self, n: usize) -> &mut Node {
        &mut self.cluster.nodes[n]
    }

    /// All nodes, also those that do not run.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.cluster.nodes
    }

    /// A client of each node that runs.
    pub(crate) fn clients_of_all(&self) -> Vec<Client> {
        self.nodes().iter().filter(|node| node.pid().is_some()).map(Node::client).collect()
    }

    /// Writes down that leads may move now, and no process ends.
    pub fn turn(&mut self) {
        self.history.turns.push(self.now());
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
        let client = self.node().client();
        self.crowd.join(&client, watched).await
    }

    /// Writes down how resources are shown now, while they are hurt, and what they must be.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub async fn sight(&mut self, under: &str, expected: &BTreeMap<String, &str>) -> Result<()> {
        let rows = picture::rows(&self.node().client(), "").await?;
        let at = self.now();
        for row in rows {
            let Some(&expected) = expected.get(&row.id) else { continue };
            let (under, expected) = (under.to_owned(), expected.to_owned());
            self.history.sightings.push(Sighting { at, under, row, expected });
        }
        Ok(())
    }

    /// Lets everything go on for a while, looking after the processes.
    ///
    /// # Errors
    /// Where one ends meanwhile.
    pub async fn run(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.sample()?;
            tokio::time::sleep(SAMPLE.min(until.saturating_duration_since(Instant::now()))).await;
        }
        Ok(())
    }

    /// The same while leads may move at any time, and whoever loses one may know it late.
    ///
    /// # Errors
    /// Where a process ends meanwhile.
    pub async fn run_in_turns(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.turn();
            self.run(TURN.min(until.saturating_duration_since(Instant::now()))).await?;
        }
        self.turn();
        Ok(())
    }
}
