//! Row 9: the wall clock jumps, and runs too fast or too slow.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::Arena,
    mechanism::faketime::{Clock, FAKETIME},
    scenario::{Fault, Scenario, Site},
};

pub(super) const CLOCK: Scenario = Scenario {
    row: 9,
    name: "clock",
    fault: "the wall clock jumps by up to an hour either way and drifts, also over a restart",
    invariants: "AEPLGCMU",
    gap: 3_000,
    clock_moves: true,
    needs: &[FAKETIME],
    begin,
    ..Scenario::USUAL
};

pub(super) const CLOCK_OF_THREE: Scenario = Scenario {
    name: "clock-of-three",
    fault: "the wall clock of one of three nodes jumps by up to an hour either way and drifts",
    nodes: 3,
    ..CLOCK
};

const HOUR: i64 = 3_600_000;
/// A clock that drifts is set anew so often; so is one that NTP slews.
const STEP: Duration = Duration::from_millis(50);

struct Moved {
    /// Of each node: its clock, and how far that is from the right time, in milliseconds.
    clocks: Vec<(Clock, i64)>,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let clocks = site.nodes.iter_mut().map(|node| Ok((Clock::of(node)?, 0)));
    Ok(Box::new(Moved { clocks: clocks.collect::<Result<_>>()? }))
}

impl Fault for Moved {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(Duration::from_millis(300)).await?;
            let n = arena.victim().await?;
            match arena.random().random_range(0..4) {
                0 => self.drift(arena, n).await,
                1 => self.jump_over_a_restart(arena, n).await,
                _ => self.jump(arena, n).await,
            }
        }
        .boxed()
    }
}

impl Moved {
    async fn jump(&mut self, arena: &mut Arena, n: usize) -> Result<()> {
        let offset = self.any(arena, n)?;
        arena.fault(format!("the clock of {} is {offset} s off", name(n)));
        arena.run(Duration::from_millis(1_500)).await
    }

    async fn jump_over_a_restart(&mut self, arena: &mut Arena, n: usize) -> Result<()> {
        arena.kill_at(n)?;
        let offset = self.any(arena, n)?;
        arena.fault(format!("{} is restarted with a clock that is {offset} s off", name(n)));
        arena.start_at(n).await?;
        arena.whole().await
    }

    /// Up to a second a second, either way.
    async fn drift(&mut self, arena: &mut Arena, n: usize) -> Result<()> {
        let most = i64::try_from(STEP.as_millis())?;
        let step = arena.random().random_range(-most..=most);
        arena.fault(format!("the clock of {} drifts by {} ms each second", name(n), step * 20));
        for _ in 0..40 {
            self.set(n, self.clocks[n].1 + step)?;
            arena.run(STEP).await?;
        }
        Ok(())
    }

    /// Moves a clock anywhere. Answers how far, in seconds.
    fn any(&mut self, arena: &mut Arena, n: usize) -> Result<i64> {
        let offset = arena.random().random_range(-HOUR..=HOUR);
        self.set(n, offset)?;
        Ok(offset / 1_000)
    }

    fn set(&mut self, n: usize, offset: i64) -> Result<()> {
        let (clock, now) = &mut self.clocks[n];
        *now = offset;
        clock.set(offset)
    }
}
