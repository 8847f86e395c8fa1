//! Row 27: the monitor's own parts crash, hang and flood each other.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};

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
            arena.fault(format!("kill -9, and a start with {points}"));
            self.restart(arena, &points).await?;
            arena.run(SPAN).await?;
            arena.fault("kill -9, and a start");
            self.restart(arena, "").await
        }
        .boxed()
    }
}

impl Crashes {
    async fn restart(&self, arena: &mut Arena, points: &str) -> Result<()> {
        arena.kill()?;
        arm(arena.node().launcher(), &joined(&self.always, points));
        arena.start().await
    }
}
