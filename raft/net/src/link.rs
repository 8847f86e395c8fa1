//! One connection to another node: calls and answers of both, over one stream each way.
//!
//! It does not matter which of the two has dialled.

mod inlet;
mod outlet;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use prost::bytes::Bytes;
use raft::{Call, Haste};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::PeerMetrics,
    wire::{LARGE, proto},
};
pub(crate) use inlet::Inlet;
pub(crate) use outlet::Frames;
use outlet::{Full, Outlet};

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was not sent.
    NotSent(String),
    /// It may have arrived: no answer came in time.
    TimedOut,
    /// It may have arrived: the connection broke.
    Lost,
    /// The other side says why not.
    Refused(String),
}

type Outcome = Result<Bytes, String>;

/// See the module.
pub(crate) struct Link {
    outlet: Outlet,
    waiting: Arc<Waiting>,
    /// What is large is sent after the one before it, so that small ones never wait for two.
    large: Arc<Semaphore>,
    /// A piece of a snapshot waits for the answer to the one before it.
    pieces: Semaphore,
    ended: CancellationToken,
    metrics: PeerMetrics,
}

/// Calls whose answers are to come.
#[derive(Default)]
struct Waiting {
    last: AtomicU64,
    calls: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
}

/// A call's place among those that wait; given up when it is dropped.
struct Place<'a> {
    id: u64,
    waiting: &'a Waiting,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.calls.lock().remove(&self.id);
    }
}

impl Link {
    /// A link, and the frames that are to be sent to the other side. It ends with `ended`.
    pub(crate) fn new(
        hello: proto::Hello,
        metrics: &PeerMetrics,
        ended: CancellationToken,
    ) -> (Arc<Self>, Frames) {
        let (outlet, frames) = outlet::open(hello, metrics.clone(), ended.clone());
        let (waiting, large, pieces) =
            (Arc::default(), Arc::new(Semaphore::new(1)), Semaphore::new(1));
        let metrics = metrics.clone();
        (Arc::new(Self { outlet, waiting, large, pieces, ended, metrics }), frames)
    }

    /// Sends a call and waits for its answer.
    pub(crate) async fn call(&self, call: Call) -> Result<Vec<u8>, Failure> {
        let deadline = call.deadline;
        timeout(deadline, self.call_for_long(call)).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn call_for_long(&self, call: Call) -> Result<Vec<u8>, Failure> {
        let bulk = call.haste == Haste::Bulk;
        let _piece = match bulk {
            true => self.pieces.acquire().await.ok(),
            false => None,
        };
        let turn = match bulk || call.body.len() > LARGE {
            true => Arc::clone(&self.large).acquire_owned().await.ok(),
            false => None,
        };
        let (place, answer) = self.waiting.enter();
        // Only now: where the link ends later, whoever waits is told.
        if self.ended.is_cancelled() {
            return Err(Failure::NotSent("the connection has ended".to_owned()));
        }
        let deadline = u32::try_from(call.deadline.as_millis()).unwrap_or(u32::MAX);
        let (id, group) = (place.id, call.group);
        let (company, body) = (call.haste == Haste::Company, call.body.into());
        let message = proto::Call { id, group, deadline_ms: deadline, body, company };
        self.outlet
            .call(message, turn)
            .map_err(|Full| Failure::NotSent("more waits to be sent than it takes".to_owned()))?;
        self.metrics.calls.inc();
        let outcome = answer.await.map_err(|_| Failure::Lost)?;
        outcome.map(Vec::from).map_err(Failure::Refused)
    }

    fn answered(&self, answer: proto::Answer) {
        // Whoever has called may have given up.
        let Some(caller) = self.waiting.calls.lock().remove(&answer.id) else { return };
        let outcome = match answer.outcome {
            Some(proto::answer::Outcome::Body(body)) => Ok(body),
            Some(proto::answer::Outcome::Refused(why)) => Err(why),
            None => Err("it has answered nothing".to_owned()),
        };
        let _ = caller.send(outcome);
    }

    /// Ends the link: whoever waits for an answer is told that none will come.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.waiting.calls.lock().clear();
    }
}

impl Waiting {
    fn enter(&self) -> (Place<'_>, oneshot::Receiver<Outcome>) {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (caller, answer) = oneshot::channel();
        self.calls.lock().insert(id, caller);
        (Place { id, waiting: self }, answer)
    }
}
