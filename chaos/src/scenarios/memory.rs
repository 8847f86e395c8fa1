//! Row 21: too many clients want too much, and memory is limited: reads are refused first,
//! writes go on, and the system does not end the node.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::Client;
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

/// Resources with as many labels as there may be, so that a list of all is long.
const FAT: usize = 2_000;
const LABELS: usize = 16;
const LABEL: usize = 60;
const READERS: usize = 300;
/// What the node may use beyond what it uses just after a start, in bytes: its store fills its
/// write buffers and its cache by and by (192 MiB), and part of the readers fit into the rest.
const SPARE: u64 = 256 << 20;
/// How long the readers have to fill it, in milliseconds.
const PATIENCE: u64 = 30_000;
const LIST: &str = "/api/v1/infrastructure/resources?limit=5000";

struct Short {
    group: Group,
    limited: bool,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let group = Group::new(Controller::Memory)?;
    group.confine(site.node().launcher());
    Ok(Box::new(Short { group, limited: false }))
}

impl Fault for Short {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            if !self.limited {
                self.limit(arena).await?;
            }
            arena.run(Duration::from_millis(500)).await?;
            let span = Duration::from_millis(arena.random().random_range(3_000..6_000));
            arena.fault(format!("{READERS} slow readers of all rows for {span:?}"));
            let from = arena.now();
            let hungry = Hungry::start(&arena.nodes()[0].address(), LIST, READERS);
            until_refused(arena, &hungry).await?;
            arena.run(span).await?;
            let (answered, refused) = hungry.counted();
            drop(hungry);
            arena.fault(format!("{answered} lists were answered, {refused} refused"));
            let until = arena.now();
            arena.history.pressures.push(Pressure { from, until, answered, refused });
            // What it gives back it gives back now, or the rows of the look are refused, too.
            arena.run(Duration::from_secs(2)).await
        }
        .boxed()
    }
}

impl Short {
    /// Declares many resources, and restarts the node with little room beyond them: the limit
    /// is one that it finds at its start.
    async fn limit(&mut self, arena: &mut Arena) -> Result<()> {
        let client = arena.node().client();
        for n in 0..FAT {
            declare(&client, n).await?;
        }
        arena.kill()?;
        arena.start().await?;
        arena.run(Duration::from_secs(3)).await?;
        let used = arena.history.memory.last().context("no sample of its memory")?.1;
        let limit = used + SPARE;
        arena.fault(format!("{} MiB in use, at most {} MiB from now on", used >> 20, limit >> 20));
        arena.kill()?;
        self.group.set("memory.limit_in_bytes", &limit)?;
        self.limited = true;
        arena.start().await
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

async fn declare(client: &Client, n: usize) -> Result<()> {
    let label = |l: usize| (format!("label-{l}"), json!("x".repeat(LABEL)));
    let labels: serde_json::Map<_, _> = (0..LABELS).map(label).collect();
    let (id, check) = (format!("fat:{n}"), json!({"push": {"ttl": "1h"}}));
    let body = json!({"type": "SERVICE", "name": id, "labels": labels, "check": check});
    client.put(&id, &body, &id).await?.success()?;
    Ok(())
}
