//! Row 13: the power of disks is cut at a random moment, also while a node starts: of the only
//! node, of one of three, of all of them at once.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::RngExt;

use crate::{
    arena::Arena,
    mechanism::{POWER_CUT, SmallFs, cut},
    scenario::{Fault, Scenario, Site},
};

pub(super) const POWER: Scenario = Scenario {
    row: 13,
    name: "power-cut",
    fault: "the disk loses its power, and with it all that was not synced; also during a start",
    needs: &[POWER_CUT],
    begin: |site| begin(site, false),
    ..Scenario::USUAL
};

pub(super) const POWER_OF_ONE: Scenario = Scenario {
    name: "power-cut-of-one",
    fault: "the disk of one of three nodes loses its power; also during a start",
    nodes: 3,
    ..POWER
};

pub(super) const POWER_OF_ALL: Scenario = Scenario {
    name: "power-cut-of-all",
    fault: "the disks of all three nodes lose their power within a moment; also during a start",
    begin: |site| begin(site, true),
    ..POWER_OF_ONE
};

/// Room enough; the file behind it takes what is used.
const DISK: u64 = 1 << 30;
/// One round in so many loses the power again while the node starts.
const AGAIN: u32 = 4;

struct Power {
    disks: Vec<SmallFs>,
    /// Whether all lose it.
    all: bool,
}

fn begin(site: &mut Site<'_>, all: bool) -> Result<Box<dyn Fault>> {
    let disks = site.nodes.iter().map(|node| SmallFs::create(&node.disk(), DISK));
    Ok(Box::new(Power { disks: disks.collect::<Result<_>>()?, all }))
}

impl Power {
    fn cut(&mut self, arena: &mut Arena, victims: &[usize]) -> Result<()> {
        for &n in victims {
            cut(self.disks[n].at(), arena.nodes()[n].pid())?;
        }
        for &n in victims {
            arena.kill_at(n)?;
            self.disks[n].unmount()?;
            self.disks[n].mount()?;
        }
        Ok(())
    }
}

impl Fault for Power {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let victims = if self.all { arena.running() } else { vec![arena.victim().await?] };
            let who = victims.iter().map(|n| name(*n)).collect::<Vec<_>>().join(", ");
            arena.fault(format!("power cut of {who}"));
            self.cut(arena, &victims)?;
            while arena.random().random_ratio(1, AGAIN) {
                let moment = arena.random().random_range(0..600);
                arena.fault(format!("power cut of {who} {moment} ms after the start"));
                victims.iter().try_for_each(|n| arena.begin_start_at(*n))?;
                tokio::time::sleep(Duration::from_millis(moment)).await;
                self.cut(arena, &victims)?;
            }
            let (last, others) = victims.split_last().context("nobody is hurt")?;
            others.iter().try_for_each(|n| arena.begin_start_at(*n))?;
            arena.start_at(*last).await?;
            arena.whole().await
        }
        .boxed()
    }
}
