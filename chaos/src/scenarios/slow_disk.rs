//! Row 12: every sync of a node takes long for a while. Slots may be missed, nothing wrong may be
//! said; of three nodes, the others take over what it cannot do in time.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::{RngExt, seq::IndexedRandom};

use crate::{
    arena::Arena,
    mechanism::{Injection, STRACE, Tracer},
    scenario::{Fault, Scenario},
};

pub(super) const SLOW: Scenario = Scenario {
    row: 12,
    name: "slow-disk",
    fault: "every fsync takes 50 ms to 3 s longer for a while",
    needs: &[STRACE],
    begin: |_| Ok(Box::new(Slow)),
    ..Scenario::USUAL
};

pub(super) const SLOW_OF_THREE: Scenario = Scenario {
    name: "slow-disk-of-three",
    fault: "every fsync of one of three nodes takes 50 ms to 3 s longer for a while",
    invariants: "AEPLGCMU",
    nodes: 3,
    gap: 5_000,
    ..SLOW
};

const DELAYS: [u64; 5] = [50, 200, 500, 1_000, 3_000];
/// The node's threads that sync: the log's, and the event file's.
const THREADS: [&str; 2] = ["sync", "event-file"];

struct Slow;

impl Fault for Slow {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..1_000);
            arena.run(Duration::from_millis(moment)).await?;
            let delay = *DELAYS.choose(arena.random()).context("there are delays")?;
            let threads = match arena.random().random_range(0..4) {
                0 => &THREADS[..1],
                1 => &THREADS[1..],
                _ => &THREADS[..],
            };
            let victim = arena.victim().await?;
            let (who, what) = (name(victim), threads.join(" and "));
            arena.fault(format!("fsync of {what} of {who} takes {delay} ms longer"));
            let injection = Injection {
                calls: "fdatasync,fsync",
                effect: format!("delay_enter={delay}ms"),
                paths: Vec::new(),
            };
            let pid = arena.nodes()[victim].pid().context("the node is not running")?;
            let tracer =
                tokio::task::block_in_place(|| Tracer::of_threads(pid, threads, &injection))?;
            let ran = arena.run_in_turns(Duration::from_millis(2_000 + 2 * delay)).await;
            tokio::task::block_in_place(|| drop(tracer));
            ran?;
            arena.fault("the disk is as fast as before");
            arena.whole().await
        }
        .boxed()
    }
}
