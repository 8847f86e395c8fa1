use std::{
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

use model::{Owner, ShardId, WallTime};
use parking_lot::Mutex;
use raft::{Clock, Command, Options, Precondition, Registration, Role, Shards, SystemClock};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use super::*;
use crate::{metrics::Metrics, report::collect, shard::testing::spec};

const LIMIT: Duration = Duration::from_secs(20);
/// The name of the threads on which the wheel turns.
const WHEEL: &str = "wheel";

/// A clock that keeps who asks for it on a thread of the wheel, while the gate is locked.
struct Held {
    clock: SystemClock,
    asked: Sender<()>,
    gate: Arc<Mutex<()>>,
}

impl Clock for Held {
    fn wall(&self) -> WallTime {
        self.clock.wall()
    }

    fn boot(&self) -> u64 {
        self.clock.boot()
    }

    fn boot_millis(&self) -> u64 {
        if thread::current().name() == Some(WHEEL) {
            let _ = self.asked.send(());
            drop(self.gate.lock());
        }
        self.clock.boot_millis()
    }
}

/// Opens a shard with one resource.
pub(super) async fn shard(clock: impl Clock) -> (Shards, Leadership, Declared) {
    let options = Options { clock: Arc::new(clock), ..Options::in_memory("t", 1) };
    let shards = Shards::open(options).await.unwrap();
    let (spec, owner) = (spec("a", "127.0.0.1:1"), Owner::Api);
    let registration = Registration { spec, owner, precondition: Precondition::None };
    let command = Command::Register(Box::new(registration));
    shards.propose(ShardId(0), command).await.unwrap();
    let Role::Leader(leadership) = *shards.role(ShardId(0)).borrow() else { panic!("it leads") };
    let declared = Declared::from(&*shards.resources(ShardId(0))[0]);
    (shards, leadership, declared)
}

fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build().unwrap()
}

#[test]
fn a_stop_waits_for_a_wheel_that_still_turns() {
    let (wheel, others) = (runtime(WHEEL), runtime("others"));
    let (asked, asking) = channel();
    let gate = Arc::new(Mutex::new(()));
    let clock = Held { clock: SystemClock::new(), asked, gate: Arc::clone(&gate) };
    let (shards, leadership, declared) = others.block_on(shard(clock));
    let metrics = Metrics::default();
    let collector = {
        let _entered = others.enter();
        collect(shards.clone(), metrics.clone())
    };
    let of_term = (ShardId(0), leadership.term);
    let reporter = Reporter::new(shards.clone(), metrics, collector, of_term);
    let arguments = SchedulerArguments { leadership, reporter, pace: Pace::of_this_machine() };
    let spawning = wheel.spawn(Actor::spawn(None, Scheduler, arguments));
    let (scheduler, _) = others.block_on(spawning).unwrap().unwrap();

    let closed = gate.lock();
    scheduler.cast(SchedulerMessage::Schedule(entry(Arc::new(declared), None))).unwrap();
    asking.recv_timeout(LIMIT).unwrap();
    let mut stopping = wheel.spawn(async move { scheduler.stop_and_wait(None, None).await });
    let early = others.block_on(async { timeout(Duration::from_millis(200), &mut stopping).await });
    assert!(early.is_err(), "the scheduler has ended before its wheel");
    drop(closed);
    others.block_on(async { timeout(LIMIT, stopping).await }).unwrap().unwrap().unwrap();
    others.block_on(shards.close());
}
