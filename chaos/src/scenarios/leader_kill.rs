//! Row 1: of three nodes the one that leads most shards is killed, and started again.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
};

pub(super) const LEADER: Scenario = Scenario {
    row: 1,
    name: "leader-kill",
    fault: "of three nodes the one that leads most is killed, and started 0 to 3 s later",
    invariants: "AEPLGCMU",
    nodes: 3,
    gap: 2_000,
    begin: |_| Ok(Box::new(LeaderKill)),
    ..Scenario::USUAL
};

struct LeaderKill;

impl Fault for LeaderKill {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let leader = arena.by_leads().await?[0];
            kill_for_a_while(arena, leader).await
        }
        .boxed()
    }
}

/// Kills a node and starts it again 0 to 3 s later.
pub(super) async fn kill_for_a_while(arena: &mut Arena, n: usize) -> Result<()> {
    let away = Duration::from_millis(arena.random().random_range(0..3_000));
    arena.fault(format!("kill -9 of {} for {away:?}", name(n)));
    arena.kill_at(n)?;
    arena.run(away).await?;
    arena.start_at(n).await?;
    arena.whole().await
}
