//! The timer wheel itself: a task, because it waits for time and orders alike.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use model::{Miss, Resource, ResourceId, ShardTime};
use raft::{Leadership, ReportBody, failpoint};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::time::{DelayQueue, delay_queue};

use super::Runner;
use crate::{report::Reporter, resource::ResourceMessage};

/// A resource whose slots are run.
pub(crate) struct Entry {
    pub(crate) resource: Arc<Resource>,
    /// Absent for push-fed resources, whose slots only end.
    pub(crate) runner: Option<Runner>,
}

/// What the wheel is told.
pub(super) enum Order {
    Schedule(Entry),
    Forget(ResourceId),
}

struct Armed {
    entry: Entry,
    key: delay_queue::Key,
    slot: u64,
}

/// See the module.
pub(super) struct Wheel {
    leadership: Leadership,
    reporter: Reporter,
    queue: DelayQueue<ResourceId>,
    armed: HashMap<ResourceId, Armed>,
}

impl Wheel {
    pub(super) fn new(leadership: Leadership, reporter: Reporter) -> Self {
        Self { leadership, reporter, queue: DelayQueue::new(), armed: HashMap::new() }
    }

    /// Turns until the orders end.
    pub(super) async fn turn(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Schedule(entry)) => self.schedule(entry),
                    Some(Order::Forget(id)) => self.forget(&id),
                    None => return,
                },
                Some(expired) = self.queue.next(), if !self.queue.is_empty() => {
                    self.due(expired.into_inner());
                }
            }
        }
    }

    fn now(&self) -> ShardTime {
        self.leadership.shard_time(self.reporter.shards.clock().boot_millis())
    }

    /// When the node's timers reach a moment of shard time.
    fn instant(&self, at: ShardTime) -> Instant {
        Instant::now() + at.since(self.now()).as_duration()
    }

    fn schedule(&mut self, entry: Entry) {
        let id = entry.resource.id().clone();
        let former = self.armed.remove(&id);
        if let Some(former) = &former {
            self.queue.remove(&former.key);
        }
        let slot = self.first_slot(&entry, former.as_ref());
        let at = self.start_of(&entry, slot);
        let key = self.queue.insert_at(id.clone(), at);
        self.armed.insert(id, Armed { entry, key, slot });
    }

    /// The slot to run next: the one that is due now, late, unless it has run already.
    fn first_slot(&self, entry: &Entry, former: Option<&Armed>) -> u64 {
        let ledger = &entry.resource.state.ledger;
        let same_epoch = |armed: &&Armed| {
            armed.entry.resource.identity.incarnation == entry.resource.identity.incarnation
                && armed.entry.resource.state.ledger.epoch() == ledger.epoch()
        };
        if let Some(former) = former.filter(same_epoch) {
            return former.slot;
        }
        let current = ledger.epoch().current(self.now()).unwrap_or(0);
        current.max(ledger.next())
    }

    /// A slot that is late already, as all are after a takeover, waits for its place in a short
    /// spread, so that targets see no burst.
    fn start_of(&self, entry: &Entry, slot: u64) -> Instant {
        const SPREAD: Duration = Duration::from_secs(2);
        let epoch = entry.resource.state.ledger.epoch();
        let (now, due) = (self.now(), epoch.due(slot));
        if due > now {
            return self.instant(due);
        }
        let left = epoch.due(slot + 1).since(now).as_duration() / 2;
        let share = f64::from(u32::try_from(epoch.phase.0 % 1_000).unwrap_or(0)) / 1_000.0;
        Instant::now() + left.min(SPREAD).mul_f64(share)
    }

    fn forget(&mut self, id: &ResourceId) {
        if let Some(armed) = self.armed.remove(id) {
            self.queue.remove(&armed.key);
        }
    }

    fn due(&mut self, id: ResourceId) {
        let Some(mut armed) = self.armed.remove(&id) else { return };
        let now = self.now();
        let epoch = *armed.entry.resource.state.ledger.epoch();
        if epoch.due(armed.slot) <= now {
            // Timers may fire late: the slot that is due now runs, those before it are accounted
            // for with its report.
            let slot = epoch.current(now).unwrap_or(armed.slot).max(armed.slot);
            self.run(&armed.entry, slot);
            armed.slot = slot + 1;
        }
        let at = self.instant(epoch.due(armed.slot));
        armed.key = self.queue.insert_at(id.clone(), at);
        self.armed.insert(id, armed);
    }

    fn run(&self, entry: &Entry, slot: u64) {
        let epoch = entry.resource.state.ledger.epoch();
        let Some(runner) = &entry.runner else {
            // The slots before this one had their time and got no report.
            return self.report(entry, slot, ReportBody::CaughtUp { reason: Miss::NoReport });
        };
        let late = self.now().since(epoch.due(slot)).as_duration();
        let due = Instant::now().checked_sub(late).unwrap_or_else(Instant::now);
        let until = self.instant(epoch.due(slot + 1));
        for _ in 0..failpoint!("mailbox-flood").unwrap_or_default() {
            let _ = runner.cast(ResourceMessage::Run { slot, due, until });
        }
        if runner.cast(ResourceMessage::Run { slot, due, until }).is_err() {
            // The actor has crashed and is not back yet.
            self.report(entry, slot, ReportBody::Missed { reason: Miss::Crashed });
        }
    }

    fn report(&self, entry: &Entry, slot: u64, body: ReportBody) {
        let (reporter, resource) = (self.reporter.clone(), Arc::clone(&entry.resource));
        tokio::spawn(async move { reporter.commit(&resource, slot, body).await });
    }
}
