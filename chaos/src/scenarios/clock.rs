//! Row 9: the wall clock jumps, and runs too fast or too slow.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
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

const HOUR: i64 = 3_600_000;
/// A clock that drifts is set anew so often; so is one that NTP slews.
const STEP: Duration = Duration::from_millis(50);

struct Moved {
    clock: Clock,
    /// From the right time, in milliseconds.
    offset: i64,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    Ok(Box::new(Moved { clock: Clock::of(site.node())?, offset: 0 }))
}

impl Fault for Moved {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            arena.run(Duration::from_millis(300)).await?;
            match arena.random().random_range(0..4) {
                0 => self.drift(arena).await,
                1 => self.jump_over_a_restart(arena).await,
                _ => self.jump(arena).await,
            }
        }
        .boxed()
    }
}

impl Moved {
    async fn jump(&mut self, arena: &mut Arena) -> Result<()> {
        self.set(arena.random().random_range(-HOUR..=HOUR))?;
        arena.fault(format!("the clock is {} s off", self.offset / 1_000));
        arena.run(Duration::from_millis(1_500)).await
    }

    async fn jump_over_a_restart(&mut self, arena: &mut Arena) -> Result<()> {
        arena.kill()?;
        self.set(arena.random().random_range(-HOUR..=HOUR))?;
        arena.fault(format!("restarted with a clock that is {} s off", self.offset / 1_000));
        arena.start().await
    }

    /// Up to a second a second, either way.
    async fn drift(&mut self, arena: &mut Arena) -> Result<()> {
        let most = i64::try_from(STEP.as_millis())?;
        let step = arena.random().random_range(-most..=most);
        arena.fault(format!("the clock drifts by {} ms each second", step * 20));
        for _ in 0..40 {
            self.set(self.offset + step)?;
            arena.run(STEP).await?;
        }
        Ok(())
    }

    fn set(&mut self, offset: i64) -> Result<()> {
        self.offset = offset;
        self.clock.set(offset)
    }
}
