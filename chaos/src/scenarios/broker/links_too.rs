//! Nodes are parted from each other, or one of them does not hear the broker, while that is there or not. Who
//! led goes on to publish until it knows better.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::{broker::Broker, cluster::name};
use rand::RngExt;

use super::{BROKER, begin, with_or_without};
use crate::{
    arena::Arena,
    mechanism::Network,
    scenario::{Fault, Scenario},
    scenarios::{
        leader_kill::kill_for_a_while,
        one_way::OneWay,
        partition::{Partition, Ring, hurt_while},
        planned::stop_in_order,
    },
};

pub(in super::super) const LINKS_TOO: Scenario = Scenario {
    name: "broker-and-links",
    fault: "a node is cut off, or deaf to another one or to the broker; in every third round without the broker",
    network: true,
    begin: |site| Ok(Box::new(LinksToo(begin(site)?))),
    ..BROKER
};

/// For how long a node goes on that does not hear the broker, in milliseconds.
const DEAF: std::ops::Range<u64> = 500..4_000;

struct LinksToo(Broker);

impl Fault for LinksToo {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let kind = arena.random().random_range(0..4);
            if kind == 3 {
                return no_receipts(&self.0, arena).await;
            }
            let without = arena.random().random_ratio(1, 3);
            with_or_without(&mut self.0, arena, without, async |arena| match kind {
                0 => Partition.round(arena).await,
                1 => Ring.round(arena).await,
                _ => OneWay.round(arena).await,
            })
            .await
        }
        .boxed()
    }
}

/// What the node that leads most sends arrives at the broker, whose receipts do not come back; then others
/// take over from it, and find in the topic what it did not know to be there.
async fn no_receipts(broker: &Broker, arena: &mut Arena) -> Result<()> {
    let leader = arena.by_leads().await?[0];
    let span = Duration::from_millis(arena.random().random_range(DEAF));
    let killed = arena.random().random_bool(0.5);
    arena.fault(format!("{} does not hear the broker for {span:?}", name(leader)));
    let deaf = |network: &Network| network.drop_from_port(leader, broker.port());
    hurt_while(arena, deaf, async |arena| {
        arena.run(span).await?;
        if killed { kill_for_a_while(arena, leader).await } else { stop_in_order(arena).await }
    })
    .await
}
