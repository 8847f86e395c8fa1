//! What Bellwether talks about and what it decides.
//!
//! Invariant: nothing here reads a clock, draws a random number, does I/O, awaits, or
//! depends on hash order. The same inputs give the same bytes on every replica.

pub mod check;
pub mod coverage;
pub mod cursor;
pub mod decode;
pub mod delivery;
pub mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod ids;
pub mod maintenance;
pub mod metrics;
pub mod outcome;
pub mod pairs;
pub mod replay;
pub mod resource;
pub mod rollup;
pub mod schedule;
pub mod selector;
pub mod slots;
pub mod spec;
pub mod threshold;
pub mod time;

pub use check::CheckSpec;
pub use health::{Health, HealthStatus};
pub use ids::{
    Generation, Incarnation, NodeId, Offset, ResourceId, Revision, Sequence, ShardId, Term,
};
pub use metrics::Metrics;
pub use outcome::{Miss, Outcome, Severity};
pub use pairs::Pairs;
pub use resource::{Labels, Owner, Resource, ResourceType};
pub use spec::{Policy, ResourceSpec};
pub use time::{Millis, ShardTime, WallTime};
