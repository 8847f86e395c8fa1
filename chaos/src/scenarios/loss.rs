//! Row 6: packets between nodes get lost.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use rand::RngExt;

use super::partition::{PARTITION, hurt};
use crate::{
    arena::Arena,
    mechanism::{Dropped, Network},
    scenario::{Fault, Scenario},
};

pub(super) const LOSS: Scenario = Scenario {
    row: 6,
    name: "loss",
    fault: "1 to 30 % of the packets between three nodes get lost for 3 to 8 s",
    // Not M: a leader that is not heard may well be replaced.
    invariants: "AELCU",
    begin: |_| Ok(Box::new(Loss)),
    ..PARTITION
};

struct Loss;

impl Fault for Loss {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let percent = arena.random().random_range(1..=30);
            let span = Duration::from_millis(arena.random().random_range(3_000..8_000));
            arena.fault(format!("{percent} % of the packets get lost for {span:?}"));
            hurt(arena, span, |network| everywhere(network, percent)).await
        }
        .boxed()
    }
}

fn everywhere(network: &Network, percent: u32) -> Result<()> {
    let pairs = (0..3).flat_map(|to| (0..3).filter(move |from| *from != to).map(move |f| (to, f)));
    let what = Dropped::Percent(percent);
    pairs.into_iter().try_for_each(|(to, from)| network.drop_at(to, from, what))
}
