//! Row 15: stored records come back with a flipped bit, and the checksums of the store's blocks
//! hold: memory or a controller is at fault. Only a checksum of the record's own can tell.

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::Config;
use rand::RngExt;

use super::victim::{Harm, Original};
use crate::{
    arena::Arena,
    mechanism::fail_points::joined,
    scenario::{Fault, Scenario},
};

pub(super) const MISREAD: Scenario = Scenario {
    row: 15,
    name: "misread",
    fault: "a bit of one stored record in a hundred flips on its way from the store",
    invariants: "AELCDM",
    fail_points: true,
    begin: |site| {
        Ok(Box::new(Misread { config: site.config.clone(), points: site.points.clone() }))
    },
    ..Scenario::USUAL
};

const STARTS: u32 = 4;
const POINT: &str = "corrupt-record";

struct Misread {
    config: Config,
    points: String,
}

impl Fault for Misread {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let original = Original::take(arena, &self.config).await?;
            let mut hit = false;
            for _ in 0..STARTS {
                let seed: u32 = arena.random().random();
                let points = joined(&self.points, &format!("seed={seed};{POINT}=1%return"));
                let log = original.hurt(arena, &Harm::Points(points), false).await?;
                // It tells when a point strikes first.
                hit |= log.contains(POINT);
            }
            ensure!(hit, "no record was read with another bit");
            Ok(())
        }
        .boxed()
    }
}
