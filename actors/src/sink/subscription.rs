//! What those who consume a sink's events leave with it: how far each of them is.

use futures_util::future::BoxFuture;
use model::{WallTime, delivery::SubscribeFrom};

use super::SinkError;

/// One group of consumers, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// How its consumers share, as the sink calls it; absent while it never had one.
    pub kind: Option<String>,
    /// How many are connected.
    pub consumers: u64,
    /// Messages that it has not acknowledged.
    pub backlog: u64,
    /// When it acknowledged something last.
    pub last_acknowledged: Option<WallTime>,
}

/// What is done with a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// It begins to be, and messages are kept for it from there on.
    Create(SubscribeFrom),
    /// It goes on elsewhere. Who is connected is disconnected, and comes again.
    Reset(SubscribeFrom),
    /// It is no more, and nothing is kept for it.
    Delete,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// There is none of this name.
    #[error("there is no subscription {0}; see `bellwether subscriptions list`")]
    NoSuch(String),
    /// As it is, that cannot be done.
    #[error("{name}: {problem}; {remedy}")]
    Conflict {
        /// The subscription.
        name: String,
        /// What is in the way.
        problem: String,
        /// What a person does about it.
        remedy: &'static str,
    },
    /// The sink did not do it.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// A sink that keeps subscriptions.
pub trait Subscriptions: Send + Sync {
    /// All of them, by name.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Subscription>, SubscriptionError>>;

    /// Changes one.
    fn change<'a>(
        &'a self,
        name: &'a str,
        change: SubscriptionChange,
    ) -> BoxFuture<'a, Result<(), SubscriptionError>>;
}
