//! Row 15: one bit of a stored file flips while the node is down: in a copy of the only node's
//! files, or at one of three nodes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::Config;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use super::{
    replica::Replica,
    victim::{Harm, Original},
};
use crate::{
    arena::Arena,
    mechanism::damage::{self, Wound},
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

pub(super) const FLIP_OF_THREE: Scenario = Scenario {
    name: "bit-flip-of-three",
    fault: "the same at one of three nodes; then it is replaced",
    nodes: 3,
    // What was told stays as evidence: the event file is not hurt.
    begin: |_| Ok(Box::new(Replica { wound: |root, random| choose(root, &KINDS[..10], random) })),
    ..FLIP
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
                let wound = choose(original.root(), &KINDS, arena.random())?;
                let in_log = wound.file().is_some_and(|file| is(file, ".log"));
                original.hurt(arena, &Harm::Wound(wound), in_log).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn choose(root: &Path, kinds: &[&str], random: &mut StdRng) -> Result<Wound> {
    if random.random_ratio(1, UNHURT) {
        return Ok(Wound::Nothing);
    }
    let mut files = damage::files(root)?;
    // A log is empty for a moment after its memory table was written out.
    files.retain(|file| root.join(file).metadata().is_ok_and(|of_file| of_file.len() > 0));
    let kinds = kinds.iter().filter(|kind| files.iter().any(|file| is(file, kind)));
    let kind = *kinds.collect::<Vec<_>>().choose(random).context("there are no files")?;
    let of_kind: Vec<&PathBuf> = files.iter().filter(|file| is(file, kind)).collect();
    let file = of_kind.choose(random).with_context(|| format!("there is no file {kind}"))?;
    Wound::any_bit(root, (*file).clone(), random)
}

fn is(file: &Path, kind: &str) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match kind.chars().next() {
        Some('.') => name.ends_with(kind),
        _ if kind.ends_with('-') => name.starts_with(kind),
        _ => name == kind,
    }
}
