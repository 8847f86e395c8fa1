//! Row 15: one bit of a stored file flips while the node is down.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::Config;
use rand::{RngExt, seq::IndexedRandom};

use super::victim::{Harm, Original};
use crate::{
    arena::Arena,
    mechanism::damage::Wound,
    scenario::{Fault, Scenario},
};

pub(super) const FLIP: Scenario = Scenario {
    row: 15,
    name: "bit-flip",
    fault: "a bit of a table, log, manifest or side file flips while the node is down",
    invariants: "AELCDM",
    begin: |site| Ok(Box::new(BitFlip { config: site.config.clone() })),
    ..Scenario::USUAL
};

const WOUNDS: u32 = 6;
/// One in so many copies is not damaged.
const UNHURT: u32 = 12;
/// Names of the files begin or end so; tables and logs hold the most, and are hit the most.
const KINDS: [&str; 11] = [
    ".sst",
    ".sst",
    ".sst",
    ".log",
    ".log",
    "MANIFEST-",
    "CURRENT",
    "OPTIONS-",
    "CLUSTER",
    "SYNCED",
    "events.jsonl",
];

struct BitFlip {
    config: Config,
}

impl Fault for BitFlip {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            // A start writes tables: there are some from the first round on.
            arena.kill()?;
            arena.start().await?;
            let original = Original::take(arena, &self.config).await?;
            for _ in 0..WOUNDS {
                let wound = choose(arena, &original)?;
                let in_log = wound.file().is_some_and(|file| is(file, ".log"));
                original.hurt(arena, &Harm::Wound(wound), in_log).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn choose(arena: &mut Arena, original: &Original) -> Result<Wound> {
    let random = arena.random();
    if random.random_ratio(1, UNHURT) {
        return Ok(Wound::Nothing);
    }
    let kind = *KINDS.choose(random).context("there are kinds")?;
    let of_kind: Vec<PathBuf> =
        original.files()?.into_iter().filter(|file| is(file, kind)).collect();
    let file = of_kind.choose(random).with_context(|| format!("there is no file {kind}"))?;
    Wound::any_bit(original.root(), file.clone(), random)
}

fn is(file: &Path, kind: &str) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match kind.chars().next() {
        Some('.') => name.ends_with(kind),
        _ if kind.ends_with('-') => name.starts_with(kind),
        _ => name == kind,
    }
}
