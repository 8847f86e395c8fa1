//! Says at one moment, for every group that this node leads, that its leader lives, so that what is
//! said to another node goes together. openraft (0.10.0-alpha.37) spreads its groups over the
//! interval: each would cost packets and wake-ups of its own.

use std::{sync::Arc, time::Duration};

use futures_util::future::FutureExt;
use openraft::{ServerState, type_config::async_runtime::watch::WatchReceiver};
use parking_lot::Mutex;
use tokio::{
    task::{JoinHandle, coop::unconstrained},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{group::Group, timing::HEARTBEAT, types::Raft};

/// So long after a beat began, its messages are on their way.
const BEGINS: Duration = Duration::from_millis(5);

/// When the last beat began. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beats(Arc<Mutex<Option<Instant>>>);

impl Beats {
    /// Whether what is said now is said by all groups.
    pub(crate) fn just_began(&self) -> bool {
        self.0.lock().is_some_and(|at| at.elapsed() < BEGINS)
    }
}

/// Beats until it is dropped.
pub(crate) struct Beat(JoinHandle<()>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Beat {
    pub(crate) fn start(groups: &[Group], beats: Beats) -> Self {
        let groups: Vec<Raft> = groups.iter().map(|group| group.raft.clone()).collect();
        Self(tokio::spawn(async move {
            let mut beat = interval(HEARTBEAT);
            // After a stall one beat says all that the missed ones would have.
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                *beats.0.lock() = Some(beat.tick().await);
                groups.iter().filter(|group| leads(group)).for_each(say);
            }
        }))
    }
}

fn leads(group: &Raft) -> bool {
    group.server_metrics().borrow_watched().state == ServerState::Leader
}

/// A group whose queue is full has not got to the beats before this one yet, and one that has
/// stopped has said why: neither holds up the others.
fn say(group: &Raft) {
    let _ = at_once(group.trigger().heartbeat());
}

/// What a future gives if it need not wait. tokio makes a task wait that has done much without a
/// pause, which one that tells hundreds of groups has.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    unconstrained(future).now_or_never()
}
