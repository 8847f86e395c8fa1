//! Row 5: one of three nodes does not hear another one, which hears it.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use super::partition::{PARTITION, hurt};
use crate::{
    arena::Arena,
    mechanism::Dropped,
    scenario::{Fault, Scenario},
};

pub(super) const ONE_WAY: Scenario = Scenario {
    row: 5,
    name: "one-way",
    fault: "one of three nodes does not hear another one for 1 to 8 s",
    invariants: "AEPLGCMU",
    gap: 5_000,
    begin: |_| Ok(Box::new(OneWay)),
    ..PARTITION
};

pub(super) struct OneWay;

impl Fault for OneWay {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let deaf = arena.any_but(&[])?;
            let unheard = arena.any_but(&[deaf])?;
            let span = Duration::from_millis(arena.random().random_range(1_000..8_000));
            let (who, whom) = (name(deaf), name(unheard));
            arena.fault(format!("{who} does not hear {whom} for {span:?}"));
            hurt(arena, span, |network| network.drop_at(deaf, unheard, Dropped::All)).await
        }
        .boxed()
    }
}
