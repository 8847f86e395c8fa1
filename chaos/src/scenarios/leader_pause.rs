//! Row 3: of three nodes the one that leads most stands still for a while, and goes on as if
//! nothing had been.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;
use rustix::process::Signal;

use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
};

pub(super) const PAUSE: Scenario = Scenario {
    row: 3,
    name: "leader-pause",
    fault: "of three nodes the one that leads most stands still for 0.2 to 8 s (SIGSTOP)",
    invariants: "AEPLGCMU",
    nodes: 3,
    gap: 3_000,
    begin: |_| Ok(Box::new(LeaderPause)),
    ..Scenario::USUAL
};

/// How long it runs on before everything is looked at.
const AFTER: Duration = Duration::from_secs(2);

pub(super) struct LeaderPause;

impl Fault for LeaderPause {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let leader = arena.by_leads().await?[0];
            let span = Duration::from_millis(arena.random().random_range(200..8_000));
            arena.fault(format!("{} stands still for {span:?}", name(leader)));
            arena.turn();
            arena.nodes()[leader].signal(Signal::STOP)?;
            let ran = arena.run(span).await;
            arena.nodes()[leader].signal(Signal::CONT)?;
            ran?;
            arena.turn();
            arena.fault(format!("{} goes on", name(leader)));
            arena.run(AFTER).await?;
            arena.whole().await
        }
        .boxed()
    }
}
