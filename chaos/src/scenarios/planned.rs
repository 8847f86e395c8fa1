//! Row 24: nodes are stopped in order and started again, one after the other, as an upgrade does.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
};

pub(super) const PLANNED: Scenario = Scenario {
    row: 24,
    name: "planned",
    fault: "the node that leads most is stopped in order and started again; leads move twice",
    invariants: "AEPLGCMU",
    nodes: 3,
    gap: 2_000,
    planned: true,
    begin: |_| Ok(Box::new(Planned)),
    ..Scenario::USUAL
};

struct Planned;

impl Fault for Planned {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        stop_in_order(arena).boxed()
    }
}

/// Stops the node that leads most, and starts it again.
pub(super) async fn stop_in_order(arena: &mut Arena) -> Result<()> {
    let moment = arena.random().random_range(100..2_000);
    arena.run(Duration::from_millis(moment)).await?;
    let leader = *arena.by_leads().await?.first().context("no node runs")?;
    arena.fault(format!("{} is stopped in order", name(leader)));
    arena.stop_at(leader).await?;
    let away = arena.random().random_range(0..2_000);
    arena.run(Duration::from_millis(away)).await?;
    arena.start_at(leader).await?;
    // It gets leads back, which is planned as well.
    arena.whole().await
}
