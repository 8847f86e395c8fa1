//! Nodes are parted from each other, or one of them does not hear the broker, while that is there or not. Who
//! led goes on to publish until it knows better.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::{broker::Broker, cluster::name};
use rand::RngExt;

use super::{BROKER, begin};
use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
    scenarios::{
        one_way::OneWay,
        partition::{Partition, Ring, hurt},
    },
};

pub(in super::super) const LINKS_TOO: Scenario = Scenario {
    name: "broker-and-links",
    fault: "a node is cut off, or deaf to another one or to the broker; in every third round without the broker",
    network: true,
    begin: |site| Ok(Box::new(LinksToo(begin(site)?))),
    ..BROKER
};

/// For how long a node does not hear the broker, in milliseconds.
const DEAF: std::ops::Range<u64> = 1_000..8_000;

struct LinksToo(Broker);

impl Fault for LinksToo {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let without = arena.random().random_ratio(1, 3);
            if without {
                arena.fault("kill -9 of the broker");
                self.0.kill()?;
            }
            match arena.random().random_range(if without { 0..3 } else { 0..4 }) {
                0 => Partition.round(arena).await?,
                1 => Ring.round(arena).await?,
                2 => OneWay.round(arena).await?,
                _ => no_receipts(&self.0, arena).await?,
            }
            if without {
                self.0.launch().await?;
            }
            arena.whole().await
        }
        .boxed()
    }
}

/// What the node that leads most sends arrives at the broker, whose receipts do not come back.
async fn no_receipts(broker: &Broker, arena: &mut Arena) -> Result<()> {
    let leader = arena.by_leads().await?[0];
    let span = Duration::from_millis(arena.random().random_range(DEAF));
    arena.fault(format!("{} does not hear the broker for {span:?}", name(leader)));
    hurt(arena, span, |network| network.drop_from_port(leader, broker.port())).await
}
