//! The cluster: its own state, and the health of the clusters that it watches.

mod health;
mod state;

pub(crate) use health::*;
pub(crate) use state::*;
