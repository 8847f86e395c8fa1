//! The bounded pool in which probes run.

use std::sync::Arc;

use model::Miss;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::probe::{Finding, Probe};

/// Probes that run at the same time, of all shards of this node.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)) }
    }

    /// Runs a probe for at most `timeout`, within the time until its next slot is due. One that
    /// finds no place by then is missed for overload, never queued beyond its slot.
    pub(crate) async fn run(
        &self,
        probe: Arc<dyn Probe>,
        timeout: std::time::Duration,
        slot_ends: Instant,
    ) -> Finding {
        let Ok(Ok(_place)) = timeout_at(slot_ends, self.places.acquire()).await else {
            let detail = "no probe could start before the next slot was due".to_owned();
            return Finding::Missed { reason: Miss::Overload, detail };
        };
        let deadline = slot_ends.min(Instant::now() + timeout);
        probe.run(deadline).await
    }
}
