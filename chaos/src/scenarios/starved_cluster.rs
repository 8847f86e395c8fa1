//! Row 22: one of three nodes gets a tenth of a processor for a while.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::Arena,
    mechanism::cgroup::{CPU, Controller, Group},
    scenario::{Fault, Scenario, Site},
};

pub(super) const STARVED: Scenario = Scenario {
    row: 22,
    name: "starved-cluster",
    fault: "one of three nodes gets a tenth of a processor for some seconds",
    nodes: 3,
    needs: &[CPU],
    begin,
    ..Scenario::USUAL
};

const PERIOD: u32 = 100_000;
const QUOTA: u32 = PERIOD / 10;
const STEP: Duration = Duration::from_secs(1);

struct Starved {
    groups: Vec<Group>,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let mut groups = Vec::new();
    for node in site.nodes.iter_mut() {
        let group = Group::new(Controller::Cpu)?;
        group.set("cpu.cfs_period_us", &PERIOD)?;
        group.confine(node.launcher());
        groups.push(group);
    }
    Ok(Box::new(Starved { groups }))
}

impl Fault for Starved {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(STEP).await?;
            let starved = arena.any_but(&[])?;
            let steps = arena.random().random_range(3..8);
            arena.fault(format!("{} gets a tenth of a processor for {steps} s", name(starved)));
            let group = &self.groups[starved];
            group.set("cpu.cfs_quota_us", &QUOTA)?;
            let ran = go_on(arena, steps).await;
            group.set("cpu.cfs_quota_us", &-1)?;
            ran?;
            arena.fault("it has what it wants");
            let held_back = group.count("cpu.stat", "nr_throttled")? > 0;
            ensure!(held_back, "the node never needed more than it had");
            arena.run(2 * STEP).await?;
            arena.whole().await
        }
        .boxed()
    }
}

/// It may lose its leads at any time, and know it late.
async fn go_on(arena: &mut Arena, steps: u32) -> Result<()> {
    for _ in 0..steps {
        arena.turn();
        arena.run(STEP).await?;
    }
    arena.turn();
    Ok(())
}
