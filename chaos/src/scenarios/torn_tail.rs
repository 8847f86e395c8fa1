//! Row 14: the end of the write-ahead log is gone, or garbage stands behind it.

use std::{fs, path::Path};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::Config;
use rand::{Rng, RngExt};

use super::{
    io_error::newest_log,
    victim::{Harm, Original},
};
use crate::{
    arena::Arena,
    mechanism::damage::Wound,
    scenario::{Fault, Scenario},
};

pub(super) const TORN: Scenario = Scenario {
    row: 14,
    name: "torn-tail",
    fault: "the end of the write-ahead log is cut off, reads as zeros, or has garbage behind it",
    invariants: "AELCDM",
    begin: |site| Ok(Box::new(Torn { config: site.config.clone() })),
    ..Scenario::USUAL
};

const WOUNDS: u32 = 4;
/// What a write that was under way may leave: less than a few entries.
const FEW: u64 = 200;
const MOST: u64 = 256 << 10;
const MOST_GARBAGE: usize = 8 << 10;
/// A file system's block.
const BLOCK: u64 = 4 << 10;

struct Torn {
    config: Config,
}

impl Fault for Torn {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let original = Original::take(arena, &self.config).await?;
            let root = original.root();
            let log = newest_log(&root.join("data"))?.strip_prefix(root)?.to_owned();
            for _ in 0..WOUNDS {
                let random = arena.random();
                let file = log.clone();
                let wound = match random.random_range(0..4) {
                    0 => Wound::Zeros { from: last_block(&root.join(&file), random)?, file },
                    1 => Wound::Cut { file, bytes: random.random_range(1..FEW) },
                    2 => Wound::Cut { file, bytes: random.random_range(1..MOST) },
                    _ => Wound::Garbage { file, bytes: garbage(random) },
                };
                original.hurt(arena, &Harm::Wound(wound), true).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// Where one of the file's last blocks begins.
fn last_block(file: &Path, random: &mut impl Rng) -> Result<u64> {
    let blocks = fs::metadata(file)?.len() / BLOCK;
    Ok(blocks.saturating_sub(random.random_range(0..3)) * BLOCK)
}

/// Zeros, as an unwritten block has them, or anything.
fn garbage(random: &mut impl Rng) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(1..MOST_GARBAGE)];
    if random.random() {
        random.fill(&mut bytes[..]);
    }
    bytes
}
