//! How nodes reach each other: tonic over mutual TLS, one connection for each pair of nodes.
//!
//! The node with the lower id dials, and [`Links`] carries the calls of both over what it has
//! opened. What is in a call is not known here: `raft` asks, and `raft` answers.
//!
//! Invariants:
//! - nobody is spoken to without a certificate of the cluster's CA that carries its node's name;
//! - a snapshot never makes a heartbeat wait for more than one of its pieces;
//! - every queue, message and wait has a bound.

mod book;
mod client;
mod dial;
mod hello;
mod host;
mod join;
mod link;
mod links;
mod listen;
mod metrics;
mod secured;
mod serve;
#[cfg(test)]
mod tests;
pub mod tls;
mod wire;

pub use book::AddressBook;
pub use client::DialError;
pub use dial::Dialer;
pub use hello::{Myself, Refused};
pub use host::{Host, Joined, Joining, Member, Outcome, Standing};
pub use join::{ask_standing, ask_to_join};
pub use links::{LinkState, Links};
pub use listen::{ListenError, Listener};
pub use metrics::PeerMetrics;
pub use tls::{Credentials, TlsFiles};
