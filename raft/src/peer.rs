//! How the replicas of a group reach each other.
//!
//! A [`PeerTransport`] carries a call to a node and brings its answer back; it knows nothing of
//! what is in it. [`message`] says that, [`network`] stands between openraft and the transport on
//! the calling side, [`forward`] takes to the leader what only it can do, and [`serve`] answers.
//!
//! Invariants:
//! - a call is bounded in size and in time, whatever is asked for;
//! - bytes that are not understood change nothing and are answered by why.

mod alone;
mod forward;
mod message;
mod network;
mod node;
mod serve;
mod snapshot;

use std::time::Duration;

use futures_util::future::BoxFuture;
use model::NodeId;

pub use alone::Alone;
pub(crate) use network::Peers;
pub(crate) use node::{NODE, NodeRequest, NodeResponse};
pub(crate) use snapshot::Arriving;

/// The most bytes of a call or an answer: what a transport must carry, and may refuse beyond. The
/// largest thing that is said is an entry with a whole configuration of 64 MiB.
pub const MOST_BYTES: usize = 72 << 20;

/// What is sent to a node.
#[derive(Debug, Clone)]
pub struct Call {
    /// The group that it is about.
    pub group: u64,
    /// What is said, in this crate's own encoding.
    pub body: Vec<u8>,
    /// How long the caller waits for an answer.
    pub deadline: Duration,
    /// For what it may wait.
    pub haste: Haste,
}

/// For what a call may wait on its way, and its answer likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// For nothing: somebody waits.
    Now,
    /// A few milliseconds, for what other groups say to the same node at the same time.
    Company,
    /// For anything else that is sent to the same node: a part of a snapshot.
    Bulk,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// There is no way to the node now.
    #[error("node {node} cannot be reached: {detail}")]
    Unreachable {
        /// Which node.
        node: NodeId,
        /// What the transport says.
        detail: String,
    },
    /// It did not answer in time; it may have done what was asked.
    #[error("node {node} has not answered within {deadline:?}")]
    TimedOut {
        /// Which node.
        node: NodeId,
        /// How long was waited.
        deadline: Duration,
    },
    /// The connection broke before it answered; it may have done what was asked.
    #[error("the connection with node {node} broke before it answered")]
    Lost {
        /// Which node.
        node: NodeId,
    },
    /// It answered that it will not.
    #[error("node {node} refuses: {detail}")]
    Refused {
        /// Which node.
        node: NodeId,
        /// Its reason.
        detail: String,
    },
}

/// Carries calls between nodes.
pub trait PeerTransport: Send + Sync + 'static {
    /// Sends a call and waits for its answer, no longer than its deadline.
    fn call(&self, to: NodeId, call: Call) -> BoxFuture<'static, Result<Vec<u8>, PeerError>>;
}
