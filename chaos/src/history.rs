//! What was seen in one run: everything that an invariant may judge by.
//!
//! Invariant: plain data with a JSON form; times are milliseconds since the run began, by the
//! harness's monotonic clock, unless a field says otherwise.

use std::collections::BTreeMap;

use harness::oracle::{Ledger, Told};
use serde::{Deserialize, Serialize};

/// Milliseconds since the run began.
pub type Moment = u64;

/// One run of a scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of its choices.
    pub seed: u64,
    /// The letters of the invariants that it must keep.
    pub invariants: String,
    /// What the invariants measure against.
    pub bounds: Bounds,
    /// Faults, in order.
    pub faults: Vec<FaultNote>,
    /// Starts of the node's process.
    pub starts: Vec<Start>,
    /// Ends of the node's process.
    pub ends: Vec<End>,
    /// Targets and every probe that reached them.
    pub targets: Vec<TargetLog>,
    /// Writes of clients.
    pub writes: Vec<WriteNote>,
    /// Writes that were refused although they never may be.
    pub refused: Vec<String>,
    /// Linearizable reads of clients.
    pub reads: Vec<ReadNote>,
    /// Resident memory of the node, in bytes.
    pub memory: Vec<(Moment, u64)>,
    /// What was damaged on disk, and what came of it.
    pub damages: Vec<Damage>,
    /// The last look at everything after a round.
    pub state: State,
    /// How resources were shown while they were hurt.
    #[serde(default)]
    pub sightings: Vec<Sighting>,
    /// Thresholds with a holding time that were violated.
    #[serde(default)]
    pub timers: Vec<TimerNote>,
    /// Spans in which more was asked for than the node has memory for.
    #[serde(default)]
    pub pressures: Vec<Pressure>,
    /// Spans in which the harness itself was late.
    #[serde(default)]
    pub lags: Vec<Lag>,
    /// The end of the node's log, where something was broken.
    #[serde(default)]
    pub log: String,
}

/// What the invariants measure against.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Bounds {
    /// The interval of the targets' checks, in milliseconds.
    pub interval: u64,
    /// What a gap between two checks may exceed the interval by, in milliseconds.
    pub gap: u64,
    /// The most resident memory, in bytes.
    pub memory: u64,
    /// Whether the node's wall clock is moved.
    pub clock_moves: bool,
}

/// One fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultNote {
    /// When it began.
    pub at: Moment,
    /// The round, from 1.
    pub round: u32,
    /// What was done.
    pub what: String,
}

/// A start of the node's process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// When it was asked for.
    pub at: Moment,
    /// How long until it was ready, in milliseconds; absent where it refused.
    pub ready_after: Option<u64>,
}

/// An end of the node's process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct End {
    /// When it was seen.
    pub at: Moment,
    /// Whether the scenario wanted it.
    pub expected: bool,
    /// The signal, exit status, and last words.
    pub how: String,
}

/// A target and what reached it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TargetLog {
    /// The resource's id.
    pub id: String,
    /// Whether it never changed, and what it always was.
    pub always: Option<bool>,
    /// Every probe: when it arrived, and whether it was answered that all is well.
    pub probes: Vec<(Moment, bool)>,
    /// What it was when the state was looked at.
    pub up: bool,
    /// Whether the fault hits the way to it: it may go unchecked meanwhile.
    #[serde(default)]
    pub hit: bool,
}

/// One write of a client. A resource has one writer, whose versions rise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteNote {
    /// The resource's id.
    pub id: String,
    /// What was written.
    pub version: u64,
    /// When it was first sent.
    pub asked: Moment,
    /// When it was acknowledged, if it was.
    pub acknowledged: Option<Moment>,
}

/// One linearizable read of a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadNote {
    /// The resource's id.
    pub id: String,
    /// When it was sent.
    pub asked: Moment,
    /// When it was answered.
    pub answered: Moment,
    /// The version that it showed; absent where the resource was unknown.
    pub version: Option<u64>,
}

/// One damage to the stored bytes, and how the node took it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Damage {
    /// The round, from 1.
    pub round: u32,
    /// The file, relative to the data directory, and what was done to it.
    pub what: String,
    /// The file's name alone.
    pub file: String,
    /// What its refusal has to say; anything that names the damage where absent.
    #[serde(default)]
    pub found_by: Option<String>,
    /// The words with which the node refused to start or ended; absent where it served.
    pub refused: Option<String>,
    /// What it showed that differs from what it had acknowledged before; empty is well.
    pub differences: Vec<String>,
}

/// How a resource was shown while it was hurt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sighting {
    /// When.
    pub at: Moment,
    /// What was the matter.
    pub under: String,
    /// What was shown.
    pub row: Row,
    /// What may be shown.
    pub expected: String,
}

/// A span in which the harness itself did not get to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lag {
    /// Its begin.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
}

/// A span in which more was asked for than the node has memory for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pressure {
    /// Its begin.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
    /// Reads that were answered.
    pub answered: u64,
    /// Reads that were refused, to be tried again later.
    pub refused: u64,
}

/// A threshold with a holding time, violated without a break from one moment on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimerNote {
    /// The resource's id.
    pub id: String,
    /// When the first violating observation was sent.
    pub asked: Moment,
    /// When it was acknowledged.
    pub since: Moment,
    /// The holding time, in milliseconds.
    pub hold: u64,
    /// How much later than the holding time it may be told, in milliseconds.
    pub slack: u64,
    /// When the level was first shown.
    pub told: Option<Moment>,
    /// When it was last looked for.
    pub until: Moment,
}

/// A look at everything, when nothing is hurt any more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// When the rows were asked for.
    pub asked: Moment,
    /// When they were there.
    pub answered: Moment,
    /// All rows.
    pub rows: Vec<Row>,
    /// All events of the file sink, in its order.
    pub events: Vec<Told>,
    /// Why the event file could not be read, if so.
    pub torn: Option<String>,
    /// The ledger of each target, by resource id.
    pub ledgers: BTreeMap<String, Ledger>,
    /// What was wrong with an answer about coverage by itself.
    pub ledger_errors: Vec<String>,
    /// Probes that arrived before this had their slots ended when the ledgers were read.
    pub settled: Moment,
}

/// A resource as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Which life of it.
    pub incarnation: String,
    /// The sequence of its last event.
    pub sequence: u64,
    /// Its health.
    pub health: String,
    /// Why.
    pub reason: String,
    /// The label `version` of those that clients write.
    pub version: Option<u64>,
}

impl History {
    /// The row of a resource.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.state.rows.iter().find(|row| row.id == id)
    }

    /// The moments at which the process ended.
    pub fn stops(&self) -> impl Iterator<Item = Moment> {
        self.ends.iter().map(|end| end.at)
    }
}
