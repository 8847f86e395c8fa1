//! A lead is handed over in order (SEMANTICS 23): what the leader runs ends first, so that probes in
//! flight report, and sinks have their receipts and cursors; then another leads.

use std::{sync::Arc, time::Duration};

use model::{NodeId, ShardId};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tracing::warn;

use crate::{group::Group, members::MembersError, node::Shards};

/// How long what a leader runs may take to end; beyond it the takeover counts as dirty.
const ENDING: Duration = Duration::from_secs(3);
/// How long another voter may take to be level at one moment, while writes go on.
const LEVEL: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// What a group and those who work for its leader tell each other. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct HandOver {
    /// Whether what the leader runs is to end, although it leads.
    yielding: Arc<watch::Sender<bool>>,
    /// How many work for the leader.
    holds: Arc<watch::Sender<usize>>,
}

/// Held by what works for a shard's leader, until it has ended.
#[derive(Debug)]
pub struct Hold(Arc<watch::Sender<usize>>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.send_modify(|holds| *holds = holds.saturating_sub(1));
    }
}

/// Takes the word back when the transfer is over, done or not.
struct Yielding<'a>(&'a HandOver);

impl Drop for Yielding<'_> {
    fn drop(&mut self) {
        self.0.yielding.send_replace(false);
    }
}

impl Default for HandOver {
    fn default() -> Self {
        Self { yielding: Arc::new(watch::Sender::new(false)), holds: Arc::default() }
    }
}

impl Shards {
    /// Whether what works for a shard's leader is to end although this node leads, and each change
    /// of that: the lead is about to go to another node.
    #[must_use]
    pub fn yielding(&self, shard: ShardId) -> watch::Receiver<bool> {
        self.group(shard).handover.yielding.subscribe()
    }

    /// A lead is not handed over for as long as this is held, within reason.
    #[must_use]
    pub fn hold(&self, shard: ShardId) -> Hold {
        let holds = &self.group(shard).handover.holds;
        holds.send_modify(|holds| *holds += 1);
        Hold(Arc::clone(holds))
    }
}

impl Group {
    /// Ends what works for the leader, then hands the lead to another voter.
    pub(crate) async fn hand_to(&self, group: u64, to: NodeId) -> Result<(), MembersError> {
        // In vain it would cost slots.
        self.fit(group, to)?;
        self.handover.yielding.send_replace(true);
        let _yielding = Yielding(&self.handover);
        let mut holds = self.handover.holds.subscribe();
        if timeout(ENDING, holds.wait_for(|holds| *holds == 0)).await.is_err() {
            warn!(group, to = %to, "handed over before everything has ended; events may repeat");
        }
        let until = Instant::now() + LEVEL;
        loop {
            match self.transfer(group, to).await {
                Err(MembersError::NotLevel { .. }) if Instant::now() < until => sleep(LOOK).await,
                Ok(()) => break,
                Err(error) => return Err(error),
            }
        }
        // Else what works for a leader would begin again for a moment.
        let mut role = self.role();
        let followed = role.wait_for(|role| !role.is_leader());
        let _ = timeout(LEVEL, followed).await;
        Ok(())
    }
}
