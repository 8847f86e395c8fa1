//! Row 13: the power of the node's disk is cut at a random moment, also while it starts.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use rand::RngExt;

use crate::{
    arena::Arena,
    mechanism::{POWER_CUT, SmallFs, cut},
    scenario::{Fault, Scenario},
};

pub(super) const POWER: Scenario = Scenario {
    row: 13,
    name: "power-cut",
    fault: "the disk loses its power, and with it all that was not synced; also during a start",
    needs: &[POWER_CUT],
    begin: |site| Ok(Box::new(Power { disk: SmallFs::create(&site.node().disk(), DISK)? })),
    ..Scenario::USUAL
};

/// Room enough; the file behind it takes what is used.
const DISK: u64 = 1 << 30;
/// One round in so many loses the power again while the node starts.
const AGAIN: u32 = 4;

struct Power {
    disk: SmallFs,
}

impl Power {
    fn cut(&mut self, arena: &mut Arena) -> Result<()> {
        cut(self.disk.at(), arena.node().pid())?;
        arena.kill()?;
        self.disk.unmount()?;
        self.disk.mount()
    }
}

impl Fault for Power {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            arena.fault("power cut");
            self.cut(arena)?;
            while arena.random().random_ratio(1, AGAIN) {
                let moment = arena.random().random_range(0..600);
                arena.fault(format!("power cut {moment} ms after the start"));
                arena.begin_start()?;
                tokio::time::sleep(Duration::from_millis(moment)).await;
                self.cut(arena)?;
            }
            arena.start().await
        }
        .boxed()
    }
}
