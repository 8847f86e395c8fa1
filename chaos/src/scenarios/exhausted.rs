//! Row 28: no more file descriptors, or no more threads, until the limit is raised again: for the
//! only node, or for one of three.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::{Arena, Started},
    mechanism::{
        cgroup::{Controller, Group, PIDS},
        limits::{LIMITS, open_files, opened},
    },
    scenario::{Fault, Scenario, Site},
    workload::Hungry,
};

pub(super) const DESCRIPTORS: Scenario = Scenario {
    row: 28,
    name: "descriptors",
    fault: "no more open files than there are now, for some seconds",
    invariants: "AEPLCMU",
    needs: &[LIMITS],
    begin: |_| Ok(Box::new(Descriptors)),
    ..Scenario::USUAL
};

pub(super) const THREADS: Scenario = Scenario {
    row: 28,
    name: "threads",
    fault: "no more threads than there are now, or too few to start with",
    invariants: "AEPLCMU",
    needs: &[PIDS],
    begin: begin_threads,
    ..Scenario::USUAL
};

pub(super) const DESCRIPTORS_OF_THREE: Scenario = Scenario {
    name: "descriptors-of-three",
    fault: "one of three nodes gets no more open files than it has now, for some seconds",
    nodes: 3,
    ..DESCRIPTORS
};

pub(super) const THREADS_OF_THREE: Scenario = Scenario {
    name: "threads-of-three",
    fault: "one of three nodes gets no more threads than it has now, or too few to start with",
    nodes: 3,
    ..THREADS
};

const LIST: &str = "/api/v1/infrastructure/resources?limit=5000";
const READERS: usize = 50;
/// About half of the limits up to here are too few to start with.
const TO_START: u64 = 200;
/// What a node says that has too few.
const TOO_FEW: &str = "more threads, a node needs";

struct Descriptors;

impl Fault for Descriptors {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(Duration::from_secs(1)).await?;
            let n = arena.victim().await?;
            let span = span(arena);
            let spare = arena.random().random_range(0..4);
            let limit = opened(&arena.nodes()[n])?.saturating_sub(2) + spare;
            arena.fault(format!("at most {limit} open files in {} for {span:?}", name(n)));
            let before = open_files(&arena.nodes()[n], limit)?;
            arena.run_in_turns(span).await?;
            open_files(&arena.nodes()[n], before)?;
            arena.whole().await
        }
        .boxed()
    }
}

struct Threads {
    groups: Vec<Group>,
}

fn begin_threads(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    Ok(Box::new(Threads { groups: site.confined(Controller::Pids)? }))
}

impl Fault for Threads {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(Duration::from_secs(1)).await?;
            let n = arena.victim().await?;
            if arena.round().is_multiple_of(2) {
                self.while_it_starts(arena, n).await?;
            } else {
                self.while_it_runs(arena, n).await?;
            }
            arena.whole().await
        }
        .boxed()
    }
}

impl Threads {
    async fn while_it_runs(&self, arena: &mut Arena, n: usize) -> Result<()> {
        let (span, group) = (span(arena), &self.groups[n]);
        let limit = group.read("pids.current")?;
        arena.fault(format!("at most {limit} threads in {} for {span:?}", name(n)));
        group.set("pids.max", &limit)?;
        // Long lists want threads.
        let hungry = Hungry::start(&arena.nodes()[n].address(), LIST, READERS);
        let ran = arena.run_in_turns(span).await;
        drop(hungry);
        group.set("pids.max", &"max")?;
        ran
    }

    /// It may refuse to start, and starts once there are threads again.
    async fn while_it_starts(&self, arena: &mut Arena, n: usize) -> Result<()> {
        let limit = arena.random().random_range(1..TO_START);
        arena.fault(format!("kill -9 of {}, and a start with at most {limit} threads", name(n)));
        arena.kill_at(n)?;
        self.groups[n].set("pids.max", &limit)?;
        let started = arena.try_start_at(n).await;
        self.groups[n].set("pids.max", &"max")?;
        match started? {
            Started::Ready => Ok(()),
            Started::Refused(words) => {
                ensure!(words.contains(TOO_FEW), "it ended with {limit} threads: {words}");
                arena.fault(format!("it refused: {words}"));
                arena.start_at(n).await
            }
        }
    }
}

fn span(arena: &mut Arena) -> Duration {
    Duration::from_millis(arena.random().random_range(2_000..5_000))
}
