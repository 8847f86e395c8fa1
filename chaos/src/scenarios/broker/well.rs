//! Leads move in order, and the broker is well: nothing is sent again.

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::broker::Broker;

use super::{BROKER, begin};
use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
    scenarios::planned::stop_in_order,
};

pub(in super::super) const WELL: Scenario = Scenario {
    name: "broker-planned",
    fault: "the node that leads most is stopped in order and started again, and nothing is sent again",
    planned: true,
    begin: |site| Ok(Box::new(Well { _broker: begin(site)? })),
    ..BROKER
};

struct Well {
    _broker: Broker,
}

impl Fault for Well {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        stop_in_order(arena).boxed()
    }
}
