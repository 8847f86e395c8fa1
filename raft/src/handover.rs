//! A lead is handed over in order (SEMANTICS 23): what the leader runs ends first, so that probes in
//! flight report, and sinks have their receipts and cursors; then writes wait until what is in flight
//! has landed; then another leads, and answers them.

use std::{sync::Arc, time::Duration};

use model::{NodeId, ShardId, Term};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tracing::{debug, warn};

use crate::{group::Group, members::MembersError, node::Shards};

/// How long what a leader runs may take to end; beyond it the takeover counts as dirty.
const ENDING: Duration = Duration::from_secs(3);
/// How long another voter may take to be level, while writes wait.
const LEVEL: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(2);
/// How long the old leader may take to see that it is none, and the new one to open its term.
const FOLLOWED: Duration = Duration::from_secs(1);
const OPENED: Duration = Duration::from_millis(300);
/// Leads that a node hands over at a time: more of them would take longer, each of them.
const AT_ONCE: usize = 3;

/// What a group and those who work for its leader tell each other. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct HandOver {
    /// Whether what the leader runs is to end, although it leads.
    yielding: Arc<watch::Sender<bool>>,
    /// How many work for the leader.
    holds: Arc<watch::Sender<usize>>,
    /// Whether writes wait.
    paused: Arc<watch::Sender<bool>>,
}

/// What the groups of a node take in turn.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
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

/// Lets writes go on.
struct Paused<'a>(&'a HandOver);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.paused.send_replace(false);
    }
}

impl Default for HandOver {
    fn default() -> Self {
        let no = || Arc::new(watch::Sender::new(false));
        Self { yielding: no(), holds: Arc::default(), paused: no() }
    }
}

impl HandOver {
    /// Whether writes are to wait.
    pub(crate) fn paused(&self) -> watch::Receiver<bool> {
        self.paused.subscribe()
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
        // Never closed, so that this only waits.
        let _turn = self.turns.0.acquire().await;
        let former = self.replica.state.read().head.term;
        self.transfer_level(group, to).await?;
        // Else what works for a leader would begin again for a moment.
        let mut role = self.role();
        let followed = role.wait_for(|role| !role.is_leader());
        let _ = timeout(FOLLOWED, followed).await;
        let _ = timeout(OPENED, self.opened_after(former)).await;
        Ok(())
    }

    /// Transfers the lead once the other has all that was proposed; nothing is proposed meanwhile.
    async fn transfer_level(&self, group: u64, to: NodeId) -> Result<(), MembersError> {
        self.handover.paused.send_replace(true);
        debug!(group, %to, "hands its lead over");
        let _paused = Paused(&self.handover);
        let until = Instant::now() + LEVEL;
        loop {
            match self.transfer(group, to).await {
                Err(MembersError::NotLevel { .. }) if Instant::now() < until => sleep(LOOK).await,
                done => return done,
            }
        }
    }

    /// Returns once a later term than this has begun.
    async fn opened_after(&self, former: Term) {
        let mut applied = self.replica.applied();
        loop {
            drop(applied.borrow_and_update());
            if self.replica.state.read().head.term > former || applied.changed().await.is_err() {
                return;
            }
        }
    }
}
