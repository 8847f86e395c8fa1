//! What was seen in one run: everything that an invariant may judge by.
//!
//! Invariant: plain data with a JSON form; times are milliseconds since the run began, by the
//! harness's monotonic clock, unless a field says otherwise.

mod hurt;
mod operation;

use std::collections::{BTreeMap, BTreeSet};

use harness::oracle::{Ledger, Told};
use serde::{Deserialize, Serialize};

pub use hurt::{
    Asked, Damage, Lag, Minority, Pressure, Question, Sighting, Spared, Steady, TimerNote,
    Unbounded,
};
pub use operation::{Did, Operation};

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
    /// Starts of a node's process.
    pub starts: Vec<Start>,
    /// Ends of a node's process.
    pub ends: Vec<End>,
    /// Targets and every probe that reached them.
    pub targets: Vec<TargetLog>,
    /// When the declaration of each was asked for, and when it was acknowledged.
    #[serde(default)]
    pub declared: BTreeMap<String, (Moment, Moment)>,
    /// Writes of clients.
    pub writes: Vec<WriteNote>,
    /// Writes that were refused although they never may be.
    pub refused: Vec<String>,
    /// Linearizable reads of clients.
    pub reads: Vec<ReadNote>,
    /// What clients did that share registers.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// Resident memory of each node.
    pub memory: Vec<Resident>,
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
    /// Spans in which checks may be as far apart as a fault makes them.
    #[serde(default)]
    pub unbounded: Vec<Unbounded>,
    /// Moments at which a leader may have lost its lead without its process having ended.
    #[serde(default)]
    pub turns: Vec<Moment>,
    /// Spans in which one node was all that was left.
    #[serde(default)]
    pub minorities: Vec<Minority>,
    /// Spans in which no group had a reason to elect.
    #[serde(default)]
    pub steady: Vec<Steady>,
    /// How long writes took while another shard was hot or moved.
    #[serde(default)]
    pub spared: Vec<Spared>,
    /// The end of each node's log, where something was broken.
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
    /// How many nodes there are; 0 in histories of one that do not say.
    #[serde(default)]
    pub nodes: usize,
    /// Whether leads move only in order, so that no slot may be missed.
    #[serde(default)]
    pub planned: bool,
    /// Whether the broker refuses messages in the middle of others, so that their order is lost.
    #[serde(default)]
    pub refusals: bool,
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

/// A start of a node's process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// The node.
    #[serde(default)]
    pub node: String,
    /// When it was asked for.
    pub at: Moment,
    /// How long until it was ready, in milliseconds; absent where it refused.
    pub ready_after: Option<u64>,
}

/// Resident memory of a node: when, how many bytes, which node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resident(pub Moment, pub u64, #[serde(default)] pub String);

/// An end of a node's process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct End {
    /// The node.
    #[serde(default)]
    pub node: String,
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

/// A look at everything, when nothing is hurt any more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// When the rows were asked for.
    pub asked: Moment,
    /// When they were there.
    pub answered: Moment,
    /// All rows.
    pub rows: Vec<Row>,
    /// What each node shows by itself, where there are several.
    #[serde(default)]
    pub replicas: Vec<Replica>,
    /// All events: of one file in its order, of several files by shard and offset, each once.
    pub events: Vec<Told>,
    /// Shard and offset of the events of each file, in its order, where there are several.
    #[serde(default)]
    pub files: BTreeMap<String, Vec<(u64, u64)>>,
    /// Why the event files could not be read, if so.
    pub torn: Option<String>,
    /// What an independent consumer of the topic got, each once, in its order, where there is one.
    #[serde(default)]
    pub topic: Option<Vec<Told>>,
    /// How many messages the topic holds that were sent again.
    #[serde(default)]
    pub repeats: usize,
    /// The ledger of each target, by resource id.
    pub ledgers: BTreeMap<String, Ledger>,
    /// What was wrong with an answer about coverage by itself.
    pub ledger_errors: Vec<String>,
    /// Probes that arrived before this had their slots ended when the ledgers were read.
    pub settled: Moment,
    /// The wall clock at moment 0, as both clocks were when the ledgers had been read; in
    /// milliseconds since 1970.
    #[serde(default)]
    pub wall: i64,
}

/// What one node shows of the shards that it holds, without asking others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Replica {
    /// The node.
    pub node: String,
    /// The shards in which it votes.
    pub shards: BTreeSet<u64>,
    /// Their rows.
    pub rows: Vec<Row>,
}

/// A resource as it was shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The shard that holds it.
    #[serde(default)]
    pub shard: u64,
    /// Since when the health holds.
    #[serde(default)]
    pub since: String,
}

impl History {
    /// The row of a resource.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.state.rows.iter().find(|row| row.id == id)
    }

    /// The moments at which a process ended.
    pub fn stops(&self) -> impl Iterator<Item = Moment> {
        self.ends.iter().map(|end| end.at)
    }
}
