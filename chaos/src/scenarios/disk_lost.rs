//! Row 16: one of three nodes loses its disk, is removed, and joins as a new node.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::{Arena, Change},
    scenario::{Fault, Scenario},
};

pub(super) const LOST: Scenario = Scenario {
    row: 16,
    name: "disk-lost",
    fault: "one of three nodes loses its disk, is removed, and joins as a new one",
    nodes: 3,
    begin: |_| Ok(Box::new(DiskLost)),
    ..Scenario::USUAL
};

struct DiskLost;

impl Fault for DiskLost {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let victim = arena.any_but(&[])?;
            arena.fault(format!("{} loses its disk", name(victim)));
            arena.kill_at(victim)?;
            replace(arena, victim).await
        }
        .boxed()
    }
}

/// Throws away the disk of a node that does not run, and lets it join as a new one.
pub(super) async fn replace(arena: &mut Arena, n: usize) -> Result<()> {
    let before = arena.id_of(n).await?;
    arena.lose_disk(n)?;
    let away = arena.random().random_range(0..2_000);
    arena.run(Duration::from_millis(away)).await?;
    arena.change(n, Change::Remove).await?;
    arena.start_at(n).await?;
    arena.whole().await?;
    let after = arena.id_of(n).await?;
    arena.fault(format!("{} was node {before} and is node {after}", name(n)));
    ensure!(after > before, "{} has an id that was used: {after}", name(n));
    Ok(())
}
