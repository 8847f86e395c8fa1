//! What a shard leader does: supervision, schedule, probes, publishing.
//!
//! ```text
//! node supervisor
//! └─ shard supervisor (exists only while this node leads the shard; owns the term)
//!    ├─ scheduler        one timer wheel
//!    ├─ resource actors  one per resource: its probe, its slot in flight
//!    └─ publishers       outbox → sink, in order, one per sink
//! ```
//!
//! Invariants:
//! - everything below a shard supervisor belongs to one term and ends with it;
//! - a child that crashes is restarted alone; one that keeps crashing is parked;
//! - every slot ends as a proposed report; none lives only in memory.

pub mod metrics;
pub mod probe;
pub mod publisher;
pub mod sink;

mod declared;
mod file_threads;
mod node;
mod pool;
mod report;
mod resource;
mod scheduler;
mod shard;

pub use node::{Actors, Settings, SinkKind, SinkSetting, StartError};
