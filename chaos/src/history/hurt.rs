//! What was seen of nodes while they were hurt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Moment, Row};

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

/// A span in which one node ran and no majority of any group. All times are the harness's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Minority {
    /// The node.
    pub node: String,
    /// When the others had ended.
    pub from: Moment,
    /// When one of them was started again.
    pub until: Moment,
    /// When it first said that it is not ready.
    pub unready: Option<Moment>,
    /// What it was asked then.
    pub asked: Vec<Asked>,
}

/// A question to a node without a majority.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// Which kind.
    pub what: Question,
    /// When it was asked.
    pub at: Moment,
    /// When it was answered.
    pub answered: Moment,
    /// The HTTP status.
    pub status: u16,
    /// The age that the answer carries, in milliseconds.
    pub age: Option<u64>,
}

/// What a node without a majority is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// A linearizable read.
    Fresh,
    /// A read of what the node has.
    Stale,
    /// A write.
    Write,
}

/// A span in which the harness itself did not get to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lag {
    /// Its begin.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
}

/// A span of a fault for which nobody promises how far apart two checks are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unbounded {
    /// Its begin.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
}

/// A span in which no group had a reason to elect.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Steady {
    /// Its begin.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
    /// The terms at its begin, by group.
    pub before: BTreeMap<String, u64>,
    /// The terms at its end.
    pub after: BTreeMap<String, u64>,
}

/// How long writes took to some shards while another one was hot or moved, and before and after
/// that. All in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Spared {
    /// What was the matter.
    pub under: String,
    /// So much more is well in any case.
    pub floor: u64,
    /// How long they took before.
    pub before: Vec<u64>,
    /// How long they took meanwhile.
    pub meanwhile: Vec<u64>,
    /// How long they took after it.
    pub after: Vec<u64>,
}
