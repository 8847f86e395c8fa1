//! The broker comes back with an empty disk, and whoever reads it had not read all.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::broker::Broker;
use rand::RngExt;

use super::{BROKER, SHARDS, TOPIC, begin};
use crate::{
    arena::Arena,
    scenario::{Fault, Scenario},
    scenarios::leader_kill::kill_for_a_while,
};

pub(in super::super) const EMPTIED: Scenario = Scenario {
    name: "broker-emptied",
    fault: "the broker loses all that it has acknowledged, part of which nobody has read; leaders are killed",
    begin: |site| Ok(Box::new(Emptied(begin(site)?))),
    ..BROKER
};

/// How long nobody reads, in milliseconds.
const UNREAD: std::ops::Range<u64> = 500..3_000;

struct Emptied(Broker);

impl Fault for Emptied {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let consumer = arena.consumer.as_mut().context("nobody reads the topic")?;
            consumer.stop();
            let unread = Duration::from_millis(arena.random().random_range(UNREAD));
            arena.run(unread).await?;
            arena.fault(format!("the broker loses everything, of which {unread:?} were not read"));
            self.0.kill()?;
            if arena.random().random_bool(0.3) {
                let leader = arena.by_leads().await?[0];
                kill_for_a_while(arena, leader).await?;
            }
            self.0.wipe()?;
            self.0.launch().await?;
            self.0.create(TOPIC, SHARDS).await?;
            arena.consumer.as_mut().context("nobody reads the topic")?.resume()?;
            arena.whole().await
        }
        .boxed()
    }
}
