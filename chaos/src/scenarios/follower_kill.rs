//! Row 2: of three nodes the one that leads fewest shards is killed, and started again.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use rand::RngExt;

use super::leader_kill::{LEADER, kill_for_a_while};
use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
};

pub(super) const FOLLOWER: Scenario = Scenario {
    row: 2,
    name: "follower-kill",
    fault: "of three nodes the one that leads fewest is killed, and started 0 to 3 s later",
    begin: |_| Ok(Box::new(FollowerKill)),
    ..LEADER
};

pub(super) struct FollowerKill;

impl Fault for FollowerKill {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let follower = *arena.by_leads().await?.last().context("no node runs")?;
            kill_for_a_while(arena, follower).await
        }
        .boxed()
    }
}
