//! What the node lends for the subscriptions of its sinks.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use model::{WallTime, delivery::SubscribeFrom};

/// Does something with the subscriptions of a sink, and says what there is of what was asked for.
pub type SubscriptionHook = Arc<
    dyn Fn(
            SubscriptionCall,
        ) -> BoxFuture<'static, Result<Vec<SubscriptionStatus>, SubscriptionFault>>
        + Send
        + Sync,
>;

/// What is asked of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionCall {
    /// The sink's name.
    pub sink: String,
    /// What is to be done.
    pub action: SubscriptionAction,
}

/// What is to be done with the subscriptions of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionAction {
    /// Tell of all.
    List,
    /// Keep events for one from there on.
    Create(String, SubscribeFrom),
    /// Have one go on elsewhere.
    Reset(String, SubscribeFrom),
    /// Keep nothing for one any more.
    Delete(String),
}

/// How far a group of consumers is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionStatus {
    /// Its name.
    pub name: String,
    /// How its consumers share, as the sink calls it.
    pub kind: Option<String>,
    /// How many are connected.
    pub consumers: u64,
    /// Messages that it has not acknowledged.
    pub backlog: u64,
    /// When it acknowledged something last.
    pub last_acknowledged: Option<WallTime>,
}

/// Why nothing was done, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionFault {
    /// The node runs no such sink, or the sink has no such subscription.
    NotFound(String),
    /// As it is, that cannot be done.
    Conflict(String),
    /// The sink cannot be asked now.
    Unavailable(String),
}
