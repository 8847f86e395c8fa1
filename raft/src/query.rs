//! Questions about the replicated state, and what their answers look like.

mod changes;
mod coverage;
mod events;
mod filter;
mod list;
mod status;

use std::sync::Arc;

use model::{
    HealthStatus, Millis, Offset, Resource, ResourceId, Revision, ShardId, Term, WallTime,
    coverage::Coverage,
    cursor::{Cursor, Position},
    event::Event,
};
use serde::{Deserialize, Serialize};

pub use filter::{Filter, FilterFields};
pub use status::{ConfigStatus, MaintenanceView, ShardStatus};

pub(crate) use changes::ChangeRecord;
#[cfg(test)]
pub(crate) use changes::page;

/// How fresh an answer must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Sees every write that was acknowledged before the question.
    #[default]
    Linearizable,
    /// What this node has, with its age.
    Stale,
}

/// How fresh an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// What was asked and kept.
    pub consistency: Consistency,
    /// How long ago this node last heard from a quorum; zero for linearizable answers.
    pub age: Millis,
}

/// An answer and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// The answer.
    pub value: T,
    /// The highest revision of the shards that were read.
    pub revision: Revision,
    /// How fresh it is.
    pub served: Served,
    /// Shards that did not answer; empty unless the question allowed it.
    pub missing: Vec<ShardId>,
}

/// A resource and the shard that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Its shard.
    pub shard: ShardId,
    /// The shard's term.
    pub term: Term,
}

/// Which resources to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Which ones.
    pub filter: Filter,
    /// Only those with a greater id: the next page.
    pub after: Option<ResourceId>,
    /// At most so many.
    pub limit: usize,
    /// How fresh.
    pub consistency: Consistency,
    /// Whether shards may be missing.
    pub partial: bool,
}

/// A page of a list, ordered by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows; fewer than the limit does not mean the end (SEMANTICS 15).
    pub rows: Vec<Row>,
    /// Where the next page begins; absent at the end.
    pub next: Option<ResourceId>,
    /// Where a watch that completes this list begins.
    pub cursor: Cursor,
}

/// What kind of change a watcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It is new, or declared anew. Never coalesced.
    Declared,
    /// Its health changed. Never coalesced.
    Transition,
    /// It is gone. Never coalesced.
    Removed,
    /// Its measurements moved. Only the latest since the cursor is told.
    Updated,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where it is among the shard's changes.
    pub position: Position,
    /// What kind.
    pub kind: ChangeKind,
    /// The row: as it was then, or for [`ChangeKind::Updated`] as it is now.
    pub row: Row,
    /// What the filters saw before, where that differs.
    pub former: Option<FilterFields>,
    /// The health before, for transitions.
    pub previous: Option<HealthStatus>,
}

/// Some of a shard's changes, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangePage {
    /// The changes.
    pub changes: Vec<Change>,
    /// Everything up to here is in this page or before it.
    pub upto: Position,
    /// Whether there are more.
    pub more: bool,
}

/// Some of a shard's outbox, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxPage {
    /// The events after the offset that was asked for.
    pub events: Vec<Event>,
    /// The first offset that is still kept.
    pub floor: Offset,
    /// The last offset that was written.
    pub head: Offset,
}

/// How much of the schedule was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CoverageReport {
    /// From when, by the shards' display clocks.
    pub from: WallTime,
    /// Until when: all slots before have ended.
    pub to: WallTime,
    /// The sums.
    pub coverage: Coverage,
}
