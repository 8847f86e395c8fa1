//! Most nodes are killed, or one stands still and goes on as if it still published, while the broker is
//! there or not.

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::broker::Broker;
use rand::RngExt;

use super::{BROKER, begin, with_or_without};
use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
    scenarios::{
        follower_kill::FollowerKill, leader_pause::LeaderPause, majority_kill::MajorityKill,
    },
};

pub(in super::super) const NODES_TOO: Scenario = Scenario {
    name: "broker-and-nodes",
    fault: "two nodes are killed, or one, or the leader stands still; in every other round without the broker",
    begin: |site| Ok(Box::new(NodesToo(begin(site)?))),
    ..BROKER
};

struct NodesToo(Broker);

impl Fault for NodesToo {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let without = arena.random().random_bool(0.5);
            let kind = arena.random().random_range(0..3);
            with_or_without(&mut self.0, arena, without, async |arena| match kind {
                0 => MajorityKill.round(arena).await,
                1 => LeaderPause.round(arena).await,
                _ => FollowerKill.round(arena).await,
            })
            .await
        }
        .boxed()
    }
}
