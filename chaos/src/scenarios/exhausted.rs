//! Row 28: no more file descriptors, or no more threads, until the limit is raised again.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
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
            let span = span(arena);
            let spare = arena.random().random_range(0..4);
            let limit = opened(&arena.nodes()[0])?.saturating_sub(2) + spare;
            arena.fault(format!("at most {limit} open files for {span:?}"));
            let before = open_files(&arena.nodes()[0], limit)?;
            let ran = arena.run(span).await;
            if ran.is_ok() {
                open_files(&arena.nodes()[0], before)?;
            }
            ran
        }
        .boxed()
    }
}

struct Threads {
    group: Group,
}

fn begin_threads(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let group = Group::new(Controller::Pids)?;
    group.confine(site.node().launcher());
    Ok(Box::new(Threads { group }))
}

impl Fault for Threads {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(Duration::from_secs(1)).await?;
            if arena.round().is_multiple_of(2) {
                self.while_it_starts(arena).await
            } else {
                self.while_it_runs(arena).await
            }
        }
        .boxed()
    }
}

impl Threads {
    async fn while_it_runs(&self, arena: &mut Arena) -> Result<()> {
        let span = span(arena);
        let limit = self.group.read("pids.current")?;
        arena.fault(format!("at most {limit} threads for {span:?}"));
        self.group.set("pids.max", &limit)?;
        // Long lists want threads.
        let hungry = Hungry::start(&arena.nodes()[0].address(), LIST, READERS);
        let ran = arena.run(span).await;
        drop(hungry);
        self.group.set("pids.max", &"max")?;
        ran
    }

    /// It may refuse to start, and starts once there are threads again.
    async fn while_it_starts(&self, arena: &mut Arena) -> Result<()> {
        let limit = arena.random().random_range(1..TO_START);
        arena.fault(format!("kill -9, and a start with at most {limit} threads"));
        arena.kill()?;
        self.group.set("pids.max", &limit)?;
        let started = arena.try_start().await;
        self.group.set("pids.max", &"max")?;
        match started? {
            Started::Ready => Ok(()),
            Started::Refused(words) => {
                ensure!(words.contains(TOO_FEW), "it ended with {limit} threads: {words}");
                arena.fault(format!("it refused: {words}"));
                arena.start().await
            }
        }
    }
}

fn span(arena: &mut Arena) -> Duration {
    Duration::from_millis(arena.random().random_range(2_000..5_000))
}
