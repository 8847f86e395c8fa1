//! Row 14: the end of the write-ahead log is gone, or garbage stands behind it: on a copy of the
//! only node's files, or on one of three nodes, while it is down.

use std::{fs, path::Path};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::Config;
use rand::{Rng, RngExt, rngs::StdRng};

use super::{
    io_error::newest_log,
    replica::Replica,
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

pub(super) const TORN_OF_THREE: Scenario = Scenario {
    name: "torn-tail-of-three",
    fault: "the same at one of three nodes while it is down; then it is replaced",
    nodes: 3,
    begin: |_| Ok(Box::new(Replica { wound: |root, random| any(root, random) })),
    ..TORN
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
            for _ in 0..WOUNDS {
                let wound = any(original.root(), arena.random())?;
                original.hurt(arena, &Harm::Wound(wound), true).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn any(root: &Path, random: &mut StdRng) -> Result<Wound> {
    let file = newest_log(&root.join("data"))?.strip_prefix(root)?.to_owned();
    Ok(match random.random_range(0..4) {
        0 => Wound::Zeros { from: last_block(&root.join(&file), random)?, file },
        1 => Wound::Cut { file, bytes: random.random_range(1..FEW) },
        2 => Wound::Cut { file, bytes: random.random_range(1..MOST) },
        _ => Wound::Garbage { file, bytes: garbage(random) },
    })
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
