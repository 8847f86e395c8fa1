//! Row 22: a node gets a tenth of a processor for a while: the only one, or one of three.

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
    name: "cpu",
    fault: "a tenth of a processor for some seconds",
    invariants: "AEPLCMU",
    needs: &[CPU],
    begin,
    ..Scenario::USUAL
};

pub(super) const STARVED_OF_THREE: Scenario = Scenario {
    name: "starved-cluster",
    fault: "one of three nodes gets a tenth of a processor for some seconds",
    nodes: 3,
    ..STARVED
};

const PERIOD: u32 = 100_000;
const QUOTA: u32 = PERIOD / 10;
const BEFORE: Duration = Duration::from_secs(1);

struct Starved {
    groups: Vec<Group>,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let groups = site.confined(Controller::Cpu)?;
    groups.iter().try_for_each(|group| group.set("cpu.cfs_period_us", &PERIOD))?;
    Ok(Box::new(Starved { groups }))
}

impl Fault for Starved {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(BEFORE).await?;
            let n = arena.victim().await?;
            let span = Duration::from_millis(arena.random().random_range(3_000..7_000));
            arena.fault(format!("{} gets a tenth of a processor for {span:?}", name(n)));
            let group = &self.groups[n];
            group.set("cpu.cfs_quota_us", &QUOTA)?;
            let ran = arena.run_in_turns(span).await;
            group.set("cpu.cfs_quota_us", &-1)?;
            ran?;
            arena.fault("it has what it wants");
            let held_back = group.count("cpu.stat", "nr_throttled")? > 0;
            ensure!(held_back, "the node never needed more than it had");
            arena.whole().await
        }
        .boxed()
    }
}
