//! The timer wheel itself: a task, because it waits for time and orders alike.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use model::{Millis, Miss, ResourceId, ShardTime};
use raft::{Leadership, ReportBody, bug, failpoint};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::time::{DelayQueue, delay_queue};

use super::{Pace, Runner};
use crate::{
    declared::Declared,
    report::{News, Reporter},
    resource::ResourceMessage,
};

/// Timers fire at multiples of this many milliseconds of the boot clock: slots that are due within
/// it run together, so that an idle processor is woken once for all of them.
const BEAT: u64 = 4;
/// Who finds so many milliseconds gone was held up, and with it all others were.
const HELD_UP: Millis = Millis::from_secs(1);

/// A resource whose slots are run.
pub(crate) struct Entry {
    pub(crate) resource: Arc<Declared>,
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
    /// Whether it was given its place among all of the node.
    placed: bool,
}

/// See the module.
pub(super) struct Wheel {
    leadership: Leadership,
    reporter: Reporter,
    pace: Pace,
    queue: DelayQueue<ResourceId>,
    armed: HashMap<ResourceId, Armed>,
}

impl Wheel {
    pub(super) fn new(leadership: Leadership, reporter: Reporter, pace: Pace) -> Self {
        Self { leadership, reporter, pace, queue: DelayQueue::new(), armed: HashMap::new() }
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

    /// The beat at or after a moment of shard time.
    fn beat_of(&self, at: ShardTime) -> Instant {
        let boot = self.reporter.shards.clock().boot_millis();
        let left = at.since(self.leadership.shard_time(boot));
        Instant::now() + Duration::from_millis(until_beat(boot, left.0))
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
        self.armed.insert(id, Armed { entry, key, slot, placed: true });
    }

    /// The slot to run next: the one that is due now, late, unless it has run already.
    fn first_slot(&self, entry: &Entry, former: Option<&Armed>) -> u64 {
        let Declared { incarnation, epoch, next, .. } = &*entry.resource;
        let same_epoch = |armed: &&Armed| {
            armed.entry.resource.incarnation == *incarnation && armed.entry.resource.epoch == *epoch
        };
        if let Some(former) = former.filter(same_epoch) {
            return former.slot;
        }
        let current = epoch.current(self.now()).unwrap_or(0);
        current.max(*next) + u64::from(bug!("bug-skip-slot"))
    }

    /// A first slot, and one that is late already, as all are after a takeover, takes its place
    /// among all of the node; where those within half of what is left of it are taken, one that
    /// follows from its phase.
    fn start_of(&self, entry: &Entry, slot: u64) -> Instant {
        let epoch = &entry.resource.epoch;
        let (now, due) = (self.now(), epoch.due(slot));
        if due > now && slot > 0 {
            return self.beat_of(due);
        }
        let half = epoch.due(slot + 1).since(due.max(now)).as_duration() / 2;
        let share = f64::from(u32::try_from(epoch.phase.0 % 1_000).unwrap_or(0)) / 1_000.0;
        let start = Instant::now();
        let place = self.pace.place(start, half).unwrap_or_else(|| start + half.mul_f64(share));
        place.max(self.beat_of(due))
    }

    fn forget(&mut self, id: &ResourceId) {
        if let Some(armed) = self.armed.remove(id) {
            self.queue.remove(&armed.key);
        }
    }

    fn due(&mut self, id: ResourceId) {
        let Some(mut armed) = self.armed.remove(&id) else { return };
        let now = self.now();
        let epoch = armed.entry.resource.epoch;
        if epoch.due(armed.slot) <= now {
            // Timers may fire late: the slot that is due now runs, those before it are accounted
            // for with its report.
            let slot = epoch.current(now).unwrap_or(armed.slot).max(armed.slot);
            if !armed.placed && now.since(epoch.due(slot)) > HELD_UP {
                // After a pause of this node all are due at once, and targets may be shared.
                (armed.slot, armed.placed) = (slot, true);
                let at = self.start_of(&armed.entry, slot);
                return self.arm(id, armed, at);
            }
            self.run(&armed.entry, slot);
            (armed.slot, armed.placed) = (slot + 1, false);
        }
        let at = self.beat_of(epoch.due(armed.slot));
        self.arm(id, armed, at);
    }

    fn arm(&mut self, id: ResourceId, mut armed: Armed, at: Instant) {
        armed.key = self.queue.insert_at(id.clone(), at);
        self.armed.insert(id, armed);
    }

    fn run(&self, entry: &Entry, slot: u64) {
        let epoch = &entry.resource.epoch;
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
        tokio::spawn(async move { reporter.commit(&resource, slot, body, News::None).await });
    }
}

/// Milliseconds from a moment of the boot clock to the first beat that is at least `left` away.
fn until_beat(boot: u64, left: u64) -> u64 {
    let at = boot.saturating_add(left);
    let past = at % BEAT;
    left.saturating_add(if past == 0 { 0 } else { BEAT - past })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use model::{ShardId, WallTime};
    use proptest::prelude::*;
    use raft::{Clock, SystemClock};

    use super::*;
    use crate::{metrics::Metrics, report::collect, scheduler::tests::shard};

    /// A clock that is moved on, as one is while its machine sleeps.
    #[derive(Clone)]
    struct Moved(Arc<(SystemClock, AtomicU64)>);

    impl Clock for Moved {
        fn wall(&self) -> WallTime {
            self.0.0.wall()
        }

        fn boot(&self) -> u64 {
            self.0.0.boot()
        }

        fn boot_millis(&self) -> u64 {
            self.0.0.boot_millis() + self.0.1.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn after_a_pause_slots_take_their_place_before_they_run() {
        let clock = Moved(Arc::new((SystemClock::new(), AtomicU64::new(0))));
        let (shards, leadership, mut declared) = shard(clock.clone()).await;
        let (id, interval) = (declared.id().clone(), 10_000);
        declared.epoch.interval = Millis(interval);
        let collector = collect(shards.clone(), Metrics::default());
        let of_term = (ShardId(0), leadership.term);
        let reporter = Reporter::new(shards.clone(), Metrics::default(), collector, of_term);
        let mut wheel = Wheel::new(leadership, reporter, Pace::of_this_machine());
        wheel.schedule(Entry { resource: Arc::new(declared), runner: None });
        let now = |wheel: &Wheel| (wheel.armed[&id].slot, wheel.armed[&id].placed);
        let first = now(&wheel).0;
        wheel.due(id.clone());
        // The first slot is not due yet, or has run: either way the next ones have no place.
        wheel.armed.get_mut(&id).unwrap().placed = false;
        clock.0.1.store(10 * interval + 2_000, Ordering::Relaxed);
        wheel.due(id.clone());
        let (late, placed) = now(&wheel);
        assert!(placed && late >= first + 9, "slot {late} waits for its place");
        wheel.due(id.clone());
        assert_eq!(now(&wheel), (late + 1, false), "it has run");
        shards.close().await;
    }

    proptest! {
        #[test]
        fn a_timer_never_fires_early_and_at_most_a_beat_late(boot: u64, left in 0u64..1 << 40) {
            let waited = until_beat(boot >> 8, left);
            prop_assert!(waited >= left && waited < left + BEAT);
            prop_assert!(((boot >> 8) + waited).is_multiple_of(BEAT));
        }
    }
}
