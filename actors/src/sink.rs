//! Where events go, and what every sink promises.
//!
//! Invariant: a sink acknowledges only what is durable there and in order. Where publishing
//! goes on is decided by what it holds, never by what anybody remembers having sent
//! (SEMANTICS 10).

mod attributes;
mod error;
mod file;
mod gap;
mod pulsar;
mod subscription;

#[cfg(test)]
pub(crate) mod testing;

use futures_util::future::{BoxFuture, FutureExt, ready};
use model::{Offset, ShardId, event::Event};
use raft::SinkCursor;

pub use error::SinkError;
pub use file::{FileSettings, FileSink};
pub use gap::Gap;
pub use pulsar::{
    PulsarAuth, PulsarCompression, PulsarOAuth2, PulsarSettings, PulsarSink, PulsarTarget,
    PulsarTls, ReadPlace, Take, TopicReader,
};
pub use subscription::{Subscription, SubscriptionChange, SubscriptionError, Subscriptions};

/// One destination of all events of the shards that this node leads.
pub trait EventSink: Send + Sync + 'static {
    /// The name under which its cursors are kept; unique in the cluster.
    fn name(&self) -> &str;

    /// What kind it is, for people and metrics: `file`, `pulsar`.
    fn kind(&self) -> &'static str;

    /// Whether a person may say from where on it is sent events. One that goes on after what it
    /// holds, whatever its cursor says, cannot be told.
    fn can_be_reset(&self) -> bool {
        true
    }

    /// Its subscriptions, where it keeps any.
    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        None
    }

    /// Opens a connection for one shard.
    ///
    /// # Errors
    /// The sink cannot be reached: come back later.
    fn connect(&self, shard: ShardId)
    -> BoxFuture<'_, Result<Box<dyn Connection + '_>, SinkError>>;

    /// Writes what was handed over, and takes nothing more.
    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

/// One way to a sink, which is never replaced: it works, or it has ended (decision 16).
///
/// Of what was sent on it, in this order, the sink holds a beginning. A future of its that is dropped
/// ends it, unless it says otherwise. What was sent by then may still become durable, but not after
/// a [`Connection::read`] of the same shard that was asked later.
pub trait Connection: Send {
    /// What the sink itself holds: everything up to the answer, counted from the cursor on.
    ///
    /// # Errors
    /// It has ended.
    fn read<'a>(&'a mut self, cursor: &'a SinkCursor) -> BoxFuture<'a, Result<Reach, SinkError>>;

    /// Hands over events that follow those before them. Returns when they are on their way.
    ///
    /// # Errors
    /// It has ended. Some may be durable.
    fn send<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<(), SinkError>>;

    /// Waits until the sink holds more of what was sent than it said before, or the connection has
    /// ended. May be dropped, and then asked again.
    ///
    /// # Errors
    /// It has ended.
    fn receipt(&mut self) -> BoxFuture<'_, Result<Held, SinkError>>;
}

/// How far a sink reaches, by what it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Where sending goes on.
    pub held: Held,
    /// Whether it has lost something that it had acknowledged, so that the cursor is to say less.
    pub lost: bool,
}

/// How far a sink holds a shard's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Everything up to here.
    pub offset: Offset,
    /// The sink's own name for that place; absent where it has none, and cannot tell a loss.
    pub position: Option<String>,
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
