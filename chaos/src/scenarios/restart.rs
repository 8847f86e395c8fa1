//! Row 1: the node is killed at a random moment, or at a named place, and started again.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
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

pub(super) const LEADER_POINTS: Scenario = Scenario {
    name: "leader-kill-points",
    fault: "of three nodes one that leads dies at a place where a promise is half kept",
    nodes: 3,
    ..KILL_POINTS
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
/// What a node of several passes of a place before it leads again what it led.
const LEADS_AGAIN: u32 = 1_500;
const PAUSE: Duration = Duration::from_millis(200);

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
            let several = arena.nodes().len() > 1;
            // A sink writes only where it leads; elsewhere it dies once it had time to lead again.
            let first = if several && !place.starts_with("sink") { LEADS_AGAIN } else { 0 };
            let passes = first + arena.random().random_range(0..most);
            let n = arena.victim().await?;
            let deadly = format!("{place}={passes}+abort");
            arena.fault(format!("kill -9 of {}, and a start with {deadly}", name(n)));
            arena.kill_at(n)?;
            arm(arena.node_at(n).launcher(), &joined(&self.always, &deadly));
            // Where it dies before it is ready, that is as good a moment.
            arena.begin_start_at(n)?;
            until_it_is_dead(arena, n).await?;
            arm(arena.node_at(n).launcher(), &self.always);
            arena.start_at(n).await?;
            arena.whole().await
        }
        .boxed()
    }
}

/// Waits for it, and notes how much it led.
async fn until_it_is_dead(arena: &mut Arena, n: usize) -> Result<()> {
    let (until, mut leads) = (Instant::now() + UNTIL_DEAD, 0);
    loop {
        match arena.until_it_ends_at(n, PAUSE).await {
            Ok(_) => break,
            Err(late) if Instant::now() >= until => return Err(late),
            Err(_) => leads = arena.leads_of(n).await.unwrap_or(leads),
        }
    }
    arena.fault(format!("{} is dead; it led {leads} shards", name(n)));
    Ok(())
}
