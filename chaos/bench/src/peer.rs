//! The peers that we are compared with, started and spoken to.
//!
//! Invariant: a peer keeps its own defaults wherever its documentation does not advise otherwise;
//! what is set differently is said beside the figures.

pub mod etcd;
pub mod pulsar;
