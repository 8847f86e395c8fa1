//! The same with one node, which is killed as often as the broker.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::broker::Broker;
use rand::RngExt;

use super::{AWAY, BROKER, begin, freeze, kill};
use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
};

pub(in super::super) const OF_ONE: Scenario = Scenario {
    name: "broker-of-one",
    fault: "one node and its broker: either is killed, or the broker stands still",
    nodes: 1,
    begin: |site| Ok(Box::new(EitherDown(begin(site)?))),
    ..BROKER
};

struct EitherDown(Broker);

impl Fault for EitherDown {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let away = Duration::from_millis(arena.random().random_range(AWAY));
            match arena.random().random_range(0..4) {
                0 => kill(&mut self.0, arena, away).await,
                1 => freeze(&self.0, arena, away).await,
                _ => {
                    arena.fault("kill -9 of the node");
                    arena.kill()?;
                    arena.start().await
                }
            }
        }
        .boxed()
    }
}
