//! The cluster: its own state and members, and the health of the clusters that it watches.

mod health;
mod members;
mod state;

pub(crate) use health::*;
pub(crate) use members::*;
pub(crate) use state::*;
