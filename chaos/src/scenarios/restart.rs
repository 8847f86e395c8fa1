//! Row 1: the node is killed at a random moment, or at a named place, and started again.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use rand::RngExt;

use crate::{
    arena::Arena,
    mechanism::fail_points::{arm, joined},
    scenario::{Fault, Scenario, Site},
};

pub(super) const KILL: Scenario = Scenario {
    row: 1,
    name: "kill",
    fault: "kill -9 at a random moment, and a start at once",
    invariants: "AEPLGCMU",
    gap: 3_000,
    begin: |_| Ok(Box::new(Kill { down: Duration::ZERO })),
    ..Scenario::USUAL
};

pub(super) const KILL_LONG: Scenario = Scenario {
    name: "kill-long",
    fault: "kill -9 at a random moment, and a start some intervals later",
    gap: 3_000 + DOWN,
    begin: |_| Ok(Box::new(Kill { down: Duration::from_millis(DOWN) })),
    ..KILL
};

pub(super) const KILL_POINTS: Scenario = Scenario {
    name: "kill-points",
    fault: "the node dies at a place where a promise is half kept",
    gap: 4_000,
    fail_points: true,
    begin: |site| Ok(Box::new(KillPoints { always: points(site) })),
    ..KILL
};

/// The longest time without a node, in milliseconds.
const DOWN: u64 = 3_500;
/// Where it dies, and after how many passes at most.
const PLACES: [(&str, u32); 6] = [
    ("before-append", 400),
    ("before-sync", 400),
    ("after-sync-before-ack", 400),
    ("after-apply-before-reply", 400),
    ("sink-before-write", 60),
    ("sink-after-write-before-ack", 60),
];
/// How long it may take until a place has been passed so often.
const UNTIL_DEAD: Duration = Duration::from_secs(30);

struct Kill {
    down: Duration,
}

impl Fault for Kill {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            arena.fault("kill -9");
            arena.kill()?;
            tokio::time::sleep(self.down.mul_f64(arena.random().random_range(0.5..=1.0))).await;
            arena.start().await
        }
        .boxed()
    }
}

struct KillPoints {
    always: String,
}

fn points(site: &Site<'_>) -> String {
    site.points.clone()
}

impl Fault for KillPoints {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let (place, most) = PLACES[arena.random().random_range(0..PLACES.len())];
            let passes = arena.random().random_range(0..most);
            let deadly = format!("{place}={passes}+abort");
            arena.fault(format!("kill -9, and a start with {deadly}"));
            arena.kill()?;
            arm(arena.node().launcher(), &joined(&self.always, &deadly));
            // Where it dies before it is ready, that is as good a moment.
            arena.begin_start()?;
            arena.until_it_ends(UNTIL_DEAD).await?;
            arm(arena.node().launcher(), &self.always);
            arena.start().await
        }
        .boxed()
    }
}
