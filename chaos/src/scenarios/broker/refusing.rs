//! The broker refuses messages that came damaged, and takes those that were sent after them.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::broker::Broker;
use rand::RngExt;

use super::{AWAY, BROKER, begin, kill};
use crate::{
    arena::Arena,
    mechanism::fail_points::{arm, joined},
    scenario::{Fault, Scenario, Site},
};

pub(in super::super) const REFUSING: Scenario = Scenario {
    name: "broker-refusing",
    fault: "one message in ten comes to the broker damaged, so that it lacks one in the middle; node and broker are killed",
    nodes: 1,
    fail_points: true,
    refusals: true,
    begin: |site| Ok(Box::new(Refusing(prepare(site)?))),
    ..BROKER
};

const POINT: &str = "pulsar-damages=10%return";

struct Refusing(Broker);

fn prepare(site: &mut Site<'_>) -> Result<Broker> {
    let points = joined(&site.points, POINT);
    arm(site.node().launcher(), &points);
    begin(site)
}

impl Fault for Refusing {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            // Several events in a row go out together where they had to wait.
            let away = Duration::from_millis(arena.random().random_range(AWAY));
            kill(&mut self.0, arena, away).await?;
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            arena.fault("kill -9 of the node");
            arena.kill()?;
            arena.start().await
        }
        .boxed()
    }
}
