//! Row 27: the monitor's own parts crash, hang and flood each other.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};

use harness::cluster::name;

use crate::{
    arena::Arena,
    mechanism::fail_points::{arm, joined},
    scenario::{Fault, Scenario, Site},
};

pub(super) const CRASHES: Scenario = Scenario {
    row: 27,
    name: "crashes",
    fault: "probes and actors panic, probes hang, mailboxes are flooded",
    invariants: "AEPLGCMU",
    // An actor that crashes again and again pauses for 1 s, 2 s and 4 s.
    gap: 9_000,
    fail_points: true,
    begin,
    ..Scenario::USUAL
};

pub(super) const CRASHES_OF_THREE: Scenario = Scenario {
    name: "crashes-of-three",
    fault: "the same on one of three nodes",
    nodes: 3,
    ..CRASHES
};

const POINTS: [&str; 5] = [
    "probe-panics=5%panic",
    "probe-hangs=5%return",
    "actor-panics=2%panic",
    "mailbox-flood=return(500)",
    "probe-panics=2%panic;probe-hangs=2%return;actor-panics=1%panic;mailbox-flood=5%return(2000)",
];
const SPAN: Duration = Duration::from_secs(5);

struct Crashes {
    always: String,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    Ok(Box::new(Crashes { always: site.points.clone() }))
}

impl Fault for Crashes {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let points = POINTS[arena.round() as usize % POINTS.len()];
            let seed = arena.history.seed.wrapping_add(u64::from(arena.round()));
            let points = format!("{points};seed={seed}");
            let n = arena.victim().await?;
            arena.fault(format!("kill -9 of {}, and a start with {points}", name(n)));
            self.restart(arena, n, &points).await?;
            arena.run(SPAN).await?;
            arena.fault(format!("kill -9 of {}, and a start", name(n)));
            self.restart(arena, n, "").await
        }
        .boxed()
    }
}

impl Crashes {
    async fn restart(&self, arena: &mut Arena, n: usize, points: &str) -> Result<()> {
        arena.kill_at(n)?;
        arm(arena.node_at(n).launcher(), &joined(&self.always, points));
        arena.start_at(n).await?;
        // What leads is what polls: with its leads back it is hurt as one node is.
        arena.whole().await
    }
}
