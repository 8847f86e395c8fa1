//! Row 21: too many clients want too much, and memory is limited: reads are refused first,
//! writes go on, and the system does not end the node: the only one, or one of three.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{
    StreamExt, TryStreamExt,
    future::{BoxFuture, FutureExt},
    stream,
};
use harness::{Client, cluster::name};
use rand::RngExt;
use serde_json::json;

use crate::{
    arena::Arena,
    history::Pressure,
    mechanism::cgroup::{Controller, Group, MEMORY},
    scenario::{Fault, Scenario, Site},
    workload::Hungry,
};

pub(super) const SHORT: Scenario = Scenario {
    row: 21,
    name: "memory",
    fault: "a memory limit, and many slow readers of long lists",
    invariants: "AEPLCMU",
    memory: 1_024,
    needs: &[MEMORY],
    begin,
    ..Scenario::USUAL
};

pub(super) const SHORT_OF_THREE: Scenario = Scenario {
    name: "memory-of-three",
    fault: "a memory limit on one of three nodes, and many slow readers of long lists at it",
    nodes: 3,
    ..SHORT
};

/// Resources with as many labels as there may be, so that a list of all is long.
const FAT: usize = 2_000;
const LABELS: usize = 16;
const LABEL: usize = 60;
const AT_ONCE: usize = 8;
const READERS: usize = 300;
/// What the node may use beyond what it uses just after a start, in bytes. Answering readers at
/// all takes a quarter of it and the store's buffers fill slowly, so that a few dozen lists that
/// have not begun yet are what does not fit any more.
const SPARE: u64 = 128 << 20;
/// How long the readers have to fill it, in milliseconds.
const PATIENCE: u64 = 30_000;
const LIST: &str = "/api/v1/infrastructure/resources?limit=5000";

struct Short {
    groups: Vec<Group>,
    /// The node with a limit, once it has one.
    limited: Option<usize>,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    Ok(Box::new(Short { groups: site.confined(Controller::Memory)?, limited: None }))
}

impl Fault for Short {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let n = match self.limited {
                Some(n) => n,
                None => self.limit(arena).await?,
            };
            arena.run(Duration::from_millis(500)).await?;
            let span = Duration::from_millis(arena.random().random_range(3_000..6_000));
            arena.fault(format!("{READERS} slow readers of all rows at {} for {span:?}", name(n)));
            let from = arena.now();
            let hungry = Hungry::start(&arena.nodes()[n].address(), LIST, READERS);
            until_refused(arena, &hungry).await?;
            arena.run_in_turns(span).await?;
            let (answered, refused) = hungry.counted();
            drop(hungry);
            arena.fault(format!("{answered} lists were answered, {refused} refused"));
            let until = arena.now();
            arena.history.pressures.push(Pressure { from, until, answered, refused });
            // What it gives back it gives back now, or the rows of the look are refused, too.
            arena.run(Duration::from_secs(2)).await?;
            arena.whole().await
        }
        .boxed()
    }
}

impl Short {
    /// Declares many resources, and restarts a node with little room beyond them: the limit is
    /// one that it finds at its start.
    async fn limit(&mut self, arena: &mut Arena) -> Result<usize> {
        declare_many(&arena.node().client(), FAT).await?;
        let n = arena.victim().await?;
        arena.kill_at(n)?;
        arena.start_at(n).await?;
        arena.run(Duration::from_secs(3)).await?;
        let node = name(n);
        let sample = arena.history.memory.iter().rfind(|resident| resident.2 == node);
        let used = sample.context("no sample of its memory")?.1;
        let limit = used + SPARE;
        let (used, most) = (used >> 20, limit >> 20);
        arena.fault(format!("{node} has {used} MiB in use, at most {most} MiB from now on"));
        arena.kill_at(n)?;
        self.groups[n].set("memory.limit_in_bytes", &limit)?;
        self.limited = Some(n);
        arena.start_at(n).await?;
        arena.whole().await?;
        Ok(n)
    }
}

/// How fast memory fills depends on the machine.
async fn until_refused(arena: &mut Arena, hungry: &Hungry) -> Result<()> {
    let until = arena.now() + PATIENCE;
    while hungry.counted().1 == 0 {
        ensure!(arena.now() < until, "the readers do not bring the node near its limit");
        arena.run(Duration::from_millis(100)).await?;
    }
    Ok(())
}

/// Declares so many of the largest resources.
pub(super) async fn declare_many(client: &Client, count: usize) -> Result<()> {
    let all = stream::iter((0..count).map(|n| declare(client, n)));
    all.buffer_unordered(AT_ONCE).try_collect().await
}

async fn declare(client: &Client, n: usize) -> Result<()> {
    let label = |l: usize| (format!("label-{l}"), json!("x".repeat(LABEL)));
    let labels: serde_json::Map<_, _> = (0..LABELS).map(label).collect();
    let (id, check) = (format!("fat:{n}"), json!({"push": {"ttl": "1h"}}));
    let body = json!({"type": "SERVICE", "name": id, "labels": labels, "check": check});
    client.put(&id, &body, &id).await?.success()?;
    Ok(())
}
