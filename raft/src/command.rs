//! What may be asked of a group: one file per command says what it does.
//!
//! Commands are stored in the log. A variant's place and its fields are never reused; a new
//! meaning is a new variant.

mod reply;

use std::sync::Arc;

use model::{
    Incarnation, Metrics, Miss, NodeId, Offset, Outcome, Owner, ResourceId, ResourceSpec, WallTime,
    delivery::Change, event::ClusterIdentity, maintenance::Maintenance,
};
use serde::{Deserialize, Serialize};

use crate::nodes::{NodeFacts, NodeStanding};
pub use reply::{DeclareOutcome, Refusal, Reply, ReportReply};

/// One log entry: when it was proposed and what it asks, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    /// The leader's clocks.
    pub stamp: Stamp,
    /// What is asked; many callers share one entry. The log, its tail and the state machine hold
    /// the same commands, so none of them copies.
    pub envelopes: Arc<[Envelope]>,
}

impl std::fmt::Display for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} commands", self.envelopes.len())
    }
}

/// The leader's clocks at a proposal (SEMANTICS 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Who proposes.
    pub node: NodeId,
    /// Whether this is its term's first command.
    pub first_of_term: bool,
    /// Milliseconds since the log's previous command for a term's first, since the term's first
    /// for all others.
    pub elapsed: u64,
    /// Which boot of which machine `boot_millis` belongs to.
    pub boot: u64,
    /// Milliseconds since that boot, suspend included.
    pub boot_millis: u64,
    /// The wall clock, for display.
    pub wall: WallTime,
}

/// A command and the id under which its outcome is kept (SEMANTICS 17).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The caller's idempotency key; absent for commands that are idempotent by themselves.
    pub request: Option<String>,
    /// What is asked.
    pub command: Command,
}

impl Envelope {
    /// How many bytes it takes in the log.
    pub(crate) fn size(&self) -> usize {
        serialized_size(self)
    }
}

/// The bytes of plain data in the form of the log and the wire.
pub(crate) fn serialized_size(data: &impl Serialize) -> usize {
    let counter = postcard::ser_flavors::Size::default();
    postcard::serialize_with_flavor(data, counter).expect("commands are plain data")
}

impl From<Command> for Envelope {
    fn from(command: Command) -> Self {
        Self { request: None, command }
    }
}

/// Everything that can change a group's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Founds a group: the first command of its log.
    Found(Founding),
    /// A leader's first command: opens its term in the replicated state.
    TermStarted,
    /// Lets time pass, so that due timers fire.
    Tick,
    /// Declares a resource.
    Register(Box<Registration>),
    /// Removes a resource.
    Remove(Removal),
    /// What probes saw, raw: health is decided when this is applied.
    Observe(Vec<Report>),
    /// What a client reported for a push-fed resource.
    Push(Box<Push>),
    /// Moves a sink's cursor forward, as versions proposed it that had no sessions.
    SinkCursor(SinkAdvance),
    /// `meta`: sets or deletes a maintenance window; assigns its version.
    SetMaintenance {
        /// The window's name.
        name: String,
        /// The window; absent to delete.
        window: Option<Maintenance>,
    },
    /// A shard: takes over a window of `meta`.
    AdoptMaintenance {
        /// The window's name.
        name: String,
        /// The version that `meta` assigned.
        version: u64,
        /// The window; absent once deleted.
        window: Option<Maintenance>,
    },
    /// `meta`: records a configuration document.
    SetConfig(Box<ConfigDocument>),
    /// A shard: keeps a part of a configuration until it is adopted.
    StageConfig {
        /// The version that the part belongs to.
        version: u64,
        /// Which part, from 0.
        part: u32,
        /// The shard's resources of this part.
        specs: Vec<ResourceSpec>,
    },
    /// A shard: makes the staged parts of a version its configuration.
    AdoptConfig {
        /// The version.
        version: u64,
        /// How many parts must be there.
        parts: u32,
    },
    /// `meta`: lets a node into the cluster; assigns its id.
    AdmitNode {
        /// Made by the node once.
        key: String,
        /// What it says of itself.
        facts: Box<NodeFacts>,
    },
    /// `meta`: what a node says of itself now.
    DescribeNode {
        /// Which node.
        node: NodeId,
        /// What it says.
        facts: Box<NodeFacts>,
    },
    /// `meta`: what is to become of a node's replicas.
    StandNode {
        /// Which node.
        node: NodeId,
        /// What.
        standing: NodeStanding,
        /// How many had left when it was looked whether this one may: two that leave at once
        /// would not have seen each other.
        left: usize,
    },
    /// A shard: changes the cursor of a sink.
    ChangeSink(SinkChange),
}

/// What a group learns at its founding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// The cluster that it belongs to.
    pub cluster: ClusterIdentity,
    /// How many shards the cluster has, for ever.
    pub shards: u32,
}

/// A declaration and what must hold for it to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// The resource as declared.
    pub spec: ResourceSpec,
    /// Who declares it.
    pub owner: Owner,
    /// What the caller expects to be there.
    pub precondition: Precondition,
}

/// What a write expects to find (SEMANTICS 14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// Anything.
    #[default]
    None,
    /// Nothing: `If-None-Match: *`.
    Absent,
    /// Anything that exists: `If-Match: *`.
    Exists,
    /// This generation: `If-Match: "g<generation>…"`.
    Generation(u64),
}

/// A removal and what must hold for it to count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The resource.
    pub id: ResourceId,
    /// Who removes it.
    pub owner: Owner,
    /// What the caller expects to be there.
    pub precondition: Precondition,
}

/// What became of one or more slots of a resource (SEMANTICS 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The resource.
    pub resource: ResourceId,
    /// Which life of it was probed.
    pub incarnation: Incarnation,
    /// Which declaration of it was probed.
    pub generation: u64,
    /// The term whose leader asked for the probe: the fencing token.
    pub term: u64,
    /// The schedule epoch of the slot.
    pub epoch: u32,
    /// The slot.
    pub slot: u64,
    /// What became of it.
    pub body: ReportBody,
}

/// What became of a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ReportBody {
    /// The target was examined.
    Result {
        /// What the check says.
        outcome: Outcome,
        /// What was measured.
        metrics: Metrics,
        /// When, by the prober's wall clock.
        observed_at: WallTime,
    },
    /// The slot ended without a result, for a reason of the monitor's own.
    Missed {
        /// Why.
        reason: Miss,
    },
    /// Every slot before this one that is still open was missed; this one is still to run.
    CaughtUp {
        /// Why.
        reason: Miss,
    },
    /// The monitor gave up on probing the resource; its slots are missed from here on.
    Parked {
        /// Why, for people.
        detail: String,
    },
}

/// A report of a client for a push-fed resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// The resource.
    pub resource: ResourceId,
    /// What the client says.
    pub outcome: Outcome,
    /// What it measured.
    pub metrics: Metrics,
    /// When it saw it; must move forward (SEMANTICS 20).
    pub observed_at: WallTime,
}

/// What becomes of a sink's cursor (SEMANTICS 9, decision 16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkChange {
    /// The sink's name.
    pub sink: String,
    /// Where a sink begins that has no cursor yet: everything up to here is passed over.
    pub from: Offset,
    /// What becomes of it.
    pub change: Change<String>,
}

/// How far a sink has acknowledged; see [`Command::SinkCursor`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkAdvance {
    /// The sink's name.
    pub sink: String,
    /// The sink's epoch; a former one is ignored.
    pub epoch: u64,
    /// Everything up to this offset is acknowledged.
    pub offset: u64,
    /// The sink's own name for that place.
    pub position: String,
}

/// A configuration document as `meta` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigDocument {
    /// The version that this replaces: compare-and-set (SEMANTICS 19).
    pub replaces: u64,
    /// SHA-256 of the document, in hexadecimal.
    pub digest: String,
    /// The document, as JSON text.
    pub document: String,
    /// Where it was loaded from.
    pub origin: String,
}
