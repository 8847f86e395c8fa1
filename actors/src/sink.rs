//! Where events go, and what every sink promises.
//!
//! Invariant: a sink acknowledges only what is durable there and in order. Where publishing
//! goes on is decided by what it holds, never by what anybody remembers having sent
//! (SEMANTICS 10).

mod error;
mod file;
mod gap;

#[cfg(test)]
pub(crate) mod testing;

use futures_util::future::BoxFuture;
use model::{Offset, ShardId, event::Event};
use raft::SinkCursor;

pub use error::SinkError;
pub use file::{FileSettings, FileSink};
pub use gap::Gap;

/// One destination of all events of the shards that this node leads.
///
/// Futures may be dropped at any await. What they had handed over by then may still become
/// durable, but never after a [`EventSink::tail`] of the same shard that was asked later.
pub trait EventSink: Send + Sync + 'static {
    /// The name under which its cursors are kept; unique in the cluster.
    fn name(&self) -> &str;

    /// What kind it is, for people and metrics: `file`, `pulsar`.
    fn kind(&self) -> &'static str;

    /// What the sink itself holds of a shard: everything up to the answer, counted from the
    /// cursor on. `None` where it holds nothing.
    ///
    /// An answer before the cursor, or none to a cursor that has a position, says that the sink
    /// has lost what it acknowledged: it is sent again.
    ///
    /// # Errors
    /// The sink cannot be read: come back later.
    fn tail<'a>(
        &'a self,
        shard: ShardId,
        cursor: Option<&'a SinkCursor>,
    ) -> BoxFuture<'a, Result<Option<Held>, SinkError>>;

    /// Hands over a batch. Returns when all of it is durable, in order.
    ///
    /// # Errors
    /// Some of the batch may be durable. Ask for the tail before sending anything again.
    fn append<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Held, SinkError>>;
}

/// How far a sink holds a shard's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Everything up to here.
    pub offset: Offset,
    /// The sink's own name for that place; empty where it has none, and cannot tell a loss.
    pub position: String,
}

/// Consecutive events of one shard, and what retention took just before them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The shard.
    pub shard: ShardId,
    /// What is missing before the first event.
    pub gap: Option<Gap>,
    /// The events, by offset, without holes.
    pub events: Vec<Event>,
}

impl Batch {
    /// The offset of its last event or, where there is none, of its gap.
    #[must_use]
    pub fn last(&self) -> Option<Offset> {
        self.events.last().map(|event| event.offset).or(self.gap.map(|gap| gap.to))
    }
}
