//! Row 6: packets between nodes come twice, or overtake each other. Row 7: all of them come late.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use rand::RngExt;

use super::partition::PARTITION;
use crate::{
    arena::{Arena, terms},
    history::Steady,
    mechanism::router::{ROUTER, Routed, Router, Weather},
    scenario::{Fault, Scenario},
};

pub(super) const REORDER: Scenario = Scenario {
    row: 6,
    name: "reorder",
    fault: "1 to 20 % of the packets between three nodes come twice, 1 to 30 % are overtaken",
    // Not M: a leader that is not heard may well be replaced.
    invariants: "AEPLCU",
    needs: &[ROUTER],
    begin: |_| Ok(Box::new(Rough { router: None, choose: reorder, steady: false })),
    ..PARTITION
};

pub(super) const DELAY: Scenario = Scenario {
    row: 7,
    name: "delay",
    fault: "the round trip between three nodes takes 2 to 200 ms more, by more or less",
    invariants: "AEPLCMU",
    begin: |_| Ok(Box::new(Rough { router: None, choose: delay, steady: true })),
    ..REORDER
};

/// How long it runs on before everything is looked at.
const AFTER: Duration = Duration::from_secs(2);
const SHORT: u64 = 2;
/// Each way. Nodes that are farther apart want other timers than those of a region.
const LONGEST: u64 = 100;

struct Rough {
    router: Option<Router>,
    choose: fn(&mut Arena) -> Weather,
    /// Whether no group has a reason to elect.
    steady: bool,
}

fn reorder(arena: &mut Arena) -> Weather {
    let random = arena.random();
    let (twice, overtaken) = (random.random_range(1..=20), random.random_range(1..=30));
    Weather { delay: SHORT, jitter: SHORT, twice, overtaken }
}

fn delay(arena: &mut Arena) -> Weather {
    let random = arena.random();
    let delay = random.random_range(1..=LONGEST);
    let jitter = random.random_range(0..=delay / 2);
    Weather { delay, jitter, ..Weather::default() }
}

impl Fault for Rough {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let weather = (self.choose)(arena);
            let span = Duration::from_millis(arena.random().random_range(3_000..8_000));
            arena.fault(format!("between nodes for {span:?}: {weather:?}"));
            let (from, before) = (arena.now(), terms(&arena.cluster_shown().await?));
            let router = self.router(arena)?;
            let start = router.set(weather)?;
            let ran = arena.run_in_turns(span).await;
            let routed = self.router(arena)?.set(Weather::default())?;
            ran?;
            arena.fault(format!("all links are as before: {routed:?}"));
            bites(weather, start, routed)?;
            arena.run(AFTER).await?;
            if self.steady {
                let (until, after) = (arena.now(), terms(&arena.cluster_shown().await?));
                arena.history.steady.push(Steady { from, until, before, after });
            }
            arena.whole().await
        }
        .boxed()
    }
}

impl Rough {
    fn router(&mut self, arena: &Arena) -> Result<&mut Router> {
        if self.router.is_none() {
            let network = arena.network.as_ref().context("there is no network")?;
            self.router = Some(Router::between(network, arena.history.seed)?);
        }
        self.router.as_mut().context("it is there")
    }
}

fn bites(weather: Weather, before: Routed, now: Routed) -> Result<()> {
    ensure!(now.packets > before.packets, "no packet was routed");
    ensure!(weather.twice == 0 || now.twice > before.twice, "no packet came twice");
    let overtaken = now.overtaken > before.overtaken;
    ensure!(weather.overtaken == 0 || overtaken, "no packet was overtaken");
    Ok(())
}
