//! Sharded replicated state: openraft for consensus, RocksDB for the record.
//!
//! Group 0, `meta`, holds the cluster's own documents; groups 1..=N hold the shards of the
//! resources. A proposal becomes a log entry, one fsync for all groups makes it durable, and
//! [`apply`](mod@crate) turns it into rows, events and index entries in one atomic batch.
//!
//! Invariants:
//! - nothing is acknowledged before it is durable on a majority;
//! - apply has no clock, no randomness, no I/O of its own and no hash order;
//! - a stored record whose checksum fails is reported with its key and never served;
//! - openraft's and RocksDB's types do not leave this crate.

mod applier;
mod apply;
mod batcher;
mod beat;
#[cfg(feature = "chaos")]
pub mod chaos;
mod clock;
mod command;
mod config;
mod disk;
mod elections;
mod error;
mod failpoint;
#[cfg(test)]
mod fixture;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod handover;
mod identity;
mod machine;
mod maintain;
mod members;
mod node;
mod nodes;
mod peer;
pub mod placement;
mod query;
mod reconcile;
mod room;
#[cfg(test)]
mod simulation;
mod state;
mod store;
mod survey;
mod timing;
mod types;
mod workers;

pub use batcher::Answer;
pub use clock::{Clock, SystemClock};
pub use command::{
    Command, DeclareOutcome, Envelope, Precondition, Push, Refusal, Registration, Removal, Reply,
    Report, ReportBody, ReportReply, SinkChange,
};
pub use config::ConfigOutcome;
pub use disk::{Batch, Disk, Fatal, MemoryDisk, RocksDisk, Space, View, Visit, Write};
pub use error::{OpenError, ProposeError, ReadError};
pub use group::{Leadership, Role};
pub use handover::Hold;
pub use identity::is_fresh;
pub use maintain::MaintenanceOutcome;
pub use members::MembersError;
pub use node::{Joins, Options, Shards};
pub use nodes::{NodeFacts, NodeRecord, NodeStanding};
pub use peer::{Alone, Call, Haste, MOST_BYTES, PeerError, PeerTransport};
pub use query::{
    Change, ChangeKind, ChangePage, ConfigStatus, Consistency, CoverageReport, Filter,
    FilterFields, ListQuery, MaintenanceView, OutboxPage, Page, Read, Row, Served, ShardStatus,
};
pub use room::{DiskRoom, Extent, Gauge};
pub use state::{OutboxRecord, SinkCursor};
pub use survey::{
    DiskReport, GroupReport, NodeReport, SinkHealth, SinkSource, SinkState, SinkStatus, SinkSurvey,
    Survey,
};
