//! Row 22: the node gets a tenth of a processor for a while.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
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

const PERIOD: u32 = 100_000;
const QUOTA: u32 = PERIOD / 10;

struct Starved {
    group: Group,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let group = Group::new(Controller::Cpu)?;
    group.set("cpu.cfs_period_us", &PERIOD)?;
    group.confine(site.node().launcher());
    Ok(Box::new(Starved { group }))
}

impl Fault for Starved {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(Duration::from_secs(1)).await?;
            let span = Duration::from_millis(arena.random().random_range(3_000..7_000));
            arena.fault(format!("a tenth of a processor for {span:?}"));
            self.group.set("cpu.cfs_quota_us", &QUOTA)?;
            let ran = arena.run(span).await;
            self.group.set("cpu.cfs_quota_us", &-1)?;
            let held_back = self.group.count("cpu.stat", "nr_throttled")? > 0;
            ensure!(ran.is_err() || held_back, "the node never needed more than it had");
            ran
        }
        .boxed()
    }
}
