//! Row 4: one of three nodes is cut off from the others, or one link between them is cut; what
//! they watch is within reach of all.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::Arena,
    mechanism::Network,
    scenario::{Fault, Scenario},
};

pub(super) const PARTITION: Scenario = Scenario {
    row: 4,
    name: "partition",
    fault: "one of three nodes is cut off from the others for 1 to 8 s",
    nodes: 3,
    network: true,
    begin: |_| Ok(Box::new(Partition)),
    ..Scenario::USUAL
};

pub(super) const RING: Scenario = Scenario {
    name: "ring",
    fault: "two of three nodes cannot see each other, and the third one sees both, for 1 to 8 s",
    begin: |_| Ok(Box::new(Ring)),
    ..PARTITION
};

/// How long it runs on before everything is looked at.
const AFTER: Duration = Duration::from_secs(2);

pub(super) struct Partition;

impl Fault for Partition {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let alone = arena.victim().await?;
            let others: Vec<usize> = (0..3).filter(|n| *n != alone).collect();
            let span = Duration::from_millis(arena.random().random_range(1_000..8_000));
            arena.fault(format!("{} is cut off for {span:?}", name(alone)));
            hurt(arena, span, |network| network.part(alone, &others)).await
        }
        .boxed()
    }
}

pub(super) struct Ring;

impl Fault for Ring {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let one = arena.victim().await?;
            let other = arena.any_but(&[one])?;
            let span = Duration::from_millis(arena.random().random_range(1_000..8_000));
            let (who, whom) = (name(one), name(other));
            arena.fault(format!("{who} and {whom} do not see each other for {span:?}"));
            hurt(arena, span, |network| network.part(one, &[other])).await
        }
        .boxed()
    }
}

/// Sets rules for a while and takes them away; they must have dropped something.
pub(super) async fn hurt(
    arena: &mut Arena,
    span: Duration,
    rules: impl FnOnce(&Network) -> Result<()>,
) -> Result<()> {
    hurt_while(arena, rules, async |arena| arena.run(span).await).await
}

/// The same while something else happens.
pub(super) async fn hurt_while(
    arena: &mut Arena,
    rules: impl FnOnce(&Network) -> Result<()>,
    meanwhile: impl AsyncFnOnce(&mut Arena) -> Result<()>,
) -> Result<()> {
    let before = dropped(arena)?;
    arena.turn();
    rules(network(arena)?)?;
    let ran = meanwhile(arena).await;
    network(arena)?.heal()?;
    ran?;
    arena.turn();
    arena.fault("all links are whole");
    ensure!(dropped(arena)? > before, "nothing was dropped");
    arena.run(AFTER).await?;
    arena.whole().await
}

fn network(arena: &Arena) -> Result<&Network> {
    arena.network.as_ref().context("there is no network")
}

fn dropped(arena: &Arena) -> Result<u64> {
    let network = network(arena)?;
    (0..arena.nodes().len()).map(|n| network.dropped(n)).sum()
}
