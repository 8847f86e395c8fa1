//! Publishes a shard's outbox to one sink, in order.
//!
//! Invariants: the cursor passes an event only after the sink has acknowledged it; where a
//! publisher goes on is read from the sink (SEMANTICS 10). Each (shard, sink) has its own, so
//! that one dead sink slows nobody.

mod backoff;
mod fault;
mod metrics;
mod minute;
mod monitor;
mod progress;
mod session;
mod step;
mod takeover;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use model::{Offset, ShardId};
use raft::{Shards, SinkState};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::{
    backoff::Backoff,
    fault::Fault,
    progress::{Progress, Target},
    session::Session,
};
use crate::sink::EventSink;

pub use metrics::PublishMetrics;
pub use monitor::SinkMonitor;

/// How long a stopping publisher waits for receipts and for its cursor (SEMANTICS 23).
const DRAIN: Duration = Duration::from_secs(2);

/// One shard's way to one sink, for as long as this node leads the shard.
pub struct Publisher {
    /// The replicated state.
    pub shards: Shards,
    /// The shard, which this node leads.
    pub shard: ShardId,
    /// Where its events go.
    pub sink: Arc<dyn EventSink>,
    /// Where the sink's health is reported, shared by all shards of the node.
    pub monitor: Arc<SinkMonitor>,
    /// What is counted and measured.
    pub metrics: PublishMetrics,
    /// Where a sink begins that is new, that is, has no cursor and holds nothing: at the oldest
    /// event that is kept, or with the next one (SEMANTICS 9).
    pub from_start: bool,
}

impl Publisher {
    /// Publishes until `stop` is cancelled. Then it waits for what was handed over, at most 2
    /// seconds, and commits the cursor, so that the next leader repeats nothing.
    pub async fn run(self, stop: CancellationToken) {
        let overdue = async {
            stop.cancelled().await;
            sleep(DRAIN).await;
        };
        tokio::select! {
            () = self.publish(&stop) => {}
            () = overdue => {
                let (shard, sink) = (self.shard, self.sink.name());
                warn!(%shard, sink, "stopped without all receipts; the next leader may repeat events");
            }
        }
        self.monitor.forget(self.shard);
    }

    async fn publish(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        let mut progress = Progress::default();
        if self.from_start {
            // Before the sink is asked for anything, which may take long: whoever leads next finds that the
            // shard is new no more, and would begin with what comes then.
            self.begin_at_once().await;
        }
        loop {
            let session = Session::run(self, &mut progress, &mut backoff, stop);
            let Err(fault) = session.await else { break };
            self.report(&fault, progress.acknowledged()).await;
            let pause = backoff.next();
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
        self.finish(&mut progress).await;
    }

    async fn begin_at_once(&self) {
        let begun = match self.usual_place().await {
            Ok(Offset(0)) => self.begin_all_the_same().await,
            Ok(_) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = begun {
            let (shard, sink) = (self.shard, self.sink.name());
            debug!(%shard, sink, %fault, "the cursor of a new shard is not there yet");
        }
    }

    async fn report(&self, fault: &Fault, acknowledged: Option<Offset>) {
        let behind = self.is_behind_retention(acknowledged).await;
        let broken = behind || matches!(fault, Fault::Ahead { .. });
        let state = if broken { SinkState::Broken } else { SinkState::Retrying };
        let (shard, sink) = (self.shard, self.sink.name());
        warn!(%shard, sink, ?state, %fault, "publishing is interrupted");
        self.monitor.report(self.shard, state, &fault.to_string());
    }

    /// Whether events are lost to the sink whenever it comes back (SEMANTICS 9).
    async fn is_behind_retention(&self, acknowledged: Option<Offset>) -> bool {
        let cursor = || self.target().cursor();
        let Some(after) = acknowledged.or_else(|| cursor().map(|cursor| cursor.offset)) else {
            return false;
        };
        let page = self.shards.outbox(self.shard, after, 0).await;
        page.is_ok_and(|page| page.floor > after.next())
    }

    fn target(&self) -> Target {
        let (shards, sink) = (self.shards.clone(), self.sink.name().to_owned());
        Target { shards, shard: self.shard, sink }
    }

    async fn finish(&self, progress: &mut Progress) {
        let (shard, sink) = (self.shard, self.sink.name());
        match progress.commit(&self.target()).await {
            Ok(()) => debug!(%shard, sink, "stopped publishing"),
            Err(fault) => warn!(%shard, sink, %fault, "stopped publishing without a cursor"),
        }
    }
}
