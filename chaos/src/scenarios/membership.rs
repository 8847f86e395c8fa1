//! Row 24: nodes join, drain and leave while others are killed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::{Arena, Change},
    scenario::{Fault, Scenario},
};

pub(super) const MEMBERSHIP: Scenario = Scenario {
    row: 24,
    name: "membership",
    fault: "a fourth node joins, one drains, one leaves for good, and others are killed meanwhile",
    nodes: 3,
    begin: |_| Ok(Box::new(Membership { out: None, shows_four: false })),
    ..Scenario::USUAL
};

pub(super) const FOUR: Scenario = Scenario {
    name: "four-nodes",
    fault: "the same, and what four nodes show is looked at",
    begin: |_| Ok(Box::new(Membership { out: None, shows_four: true })),
    ..MEMBERSHIP
};

/// How long a node may take to hand everything over.
const DRAINED: u64 = 60_000;
const PAUSE: Duration = Duration::from_millis(200);

struct Membership {
    /// The node that is no member now, once there are four.
    out: Option<usize>,
    /// Whether every other round ends with four.
    shows_four: bool,
}

impl Fault for Membership {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            if arena.running().len() == 3 {
                let new = self.out.take().map_or_else(|| arena.add_node(), Ok)?;
                join(arena, new).await?;
                arena.whole().await?;
                if self.shows_four {
                    return Ok(());
                }
            }
            self.out = Some(leave(arena).await?);
            arena.whole().await
        }
        .boxed()
    }
}

/// Three become four.
async fn join(arena: &mut Arena, new: usize) -> Result<()> {
    arena.fault(format!("{} joins", name(new)));
    arena.begin_start_at(new)?;
    kill_another(arena, &[new]).await
}

/// Four become three: one is drained, and it or another one leaves. Answers which.
async fn leave(arena: &mut Arena) -> Result<usize> {
    let drained = arena.any_but(&[])?;
    arena.change(drained, Change::Drain).await?;
    kill_another(arena, &[drained]).await?;
    until_it_holds_nothing(arena, drained).await?;
    let leaves = if arena.random().random_bool(0.5) {
        drained
    } else {
        arena.change(drained, Change::Resume).await?;
        arena.any_but(&[drained])?
    };
    arena.fault(format!("kill -9 of {}, which leaves", name(leaves)));
    arena.kill_at(leaves)?;
    arena.change(leaves, Change::Remove).await?;
    arena.lose_disk(leaves)?;
    Ok(leaves)
}

async fn kill_another(arena: &mut Arena, but: &[usize]) -> Result<()> {
    let moment = arena.random().random_range(0..2_000);
    arena.run(Duration::from_millis(moment)).await?;
    let victim = arena.any_but(but)?;
    let away = arena.random().random_range(0..2_000);
    arena.fault(format!("kill -9 of {} for {away} ms", name(victim)));
    arena.kill_at(victim)?;
    arena.run(Duration::from_millis(away)).await?;
    arena.start_at(victim).await
}

pub(super) async fn until_it_holds_nothing(arena: &mut Arena, n: usize) -> Result<()> {
    let until = arena.now() + DRAINED;
    loop {
        let shown = arena.cluster_shown().await?;
        let node = crate::arena::member(&shown, &name(n)).context("it is no member")?;
        let id = &node["node_id"];
        let groups = shown["shards"].as_array().into_iter().flatten().chain([&shown["meta"]]);
        let votes = |group: &serde_json::Value| {
            group["leader"] == *id || group["voters"].as_array().is_some_and(|v| v.contains(id))
        };
        let held = groups.filter(|group| votes(group)).count();
        if held == 0 && node["standing"] == "draining" {
            return Ok(());
        }
        ensure!(arena.now() < until, "{} still holds {held} groups: {shown}", name(n));
        arena.run(PAUSE).await?;
    }
}
