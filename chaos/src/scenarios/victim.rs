//! A copy of a node's files, another node on it, and what that one shows: what is done to a copy
//! may be anything, and the run goes on.
//!
//! Invariant: nothing is compared but what stood still since before the copy was made, or whose
//! bounds are known.

mod known;

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{Config, Node};
use tempfile::TempDir;

pub(super) use known::Known;

use crate::{
    arena::Arena,
    history::Damage,
    mechanism::{
        damage::{self, Wound},
        fail_points,
    },
};

/// Flips that were under way have been seen after this; and what was stored before is older than
/// what the side file of synced positions may lack.
const STILL: Duration = Duration::from_millis(2_200);
/// How long a damaged start may take.
const STARTS: Duration = Duration::from_secs(30);
/// How long it is watched after everything was read.
const AFTER: Duration = Duration::from_millis(200);
/// How many of its last lines are its last words.
const WORDS: usize = 6;

/// What was copied, and what was known of it. The original runs again.
pub(super) struct Original {
    files: TempDir,
    known: Known,
    config: Config,
}

/// How a copy is hurt.
pub(super) enum Harm {
    /// In its files.
    Wound(Wound),
    /// In its records, by fail points, while it reads them.
    Points(String),
}

impl Harm {
    /// The name of the file; `record` where none is damaged.
    pub(super) fn file(&self) -> String {
        let file = match self {
            Self::Wound(wound) => wound.file().and_then(Path::file_name),
            Self::Points(_) => None,
        };
        file.unwrap_or(OsStr::new("record")).to_string_lossy().into_owned()
    }

    /// Nothing but the checksum of a record tells that it came back as another one.
    fn found_by(&self) -> Option<String> {
        matches!(self, Self::Points(_)).then(|| "checksum of key".to_owned())
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wound(wound) => wound.fmt(f),
            Self::Points(points) => f.write_str(points),
        }
    }
}

impl Original {
    /// Lets everything come to rest, kills the node, copies its files, and starts it again.
    pub(super) async fn take(arena: &mut Arena, config: &Config) -> Result<Self> {
        arena.crowd.calm().await;
        arena.run(STILL).await?;
        arena.settle().await?;
        let mut known = Known::read(&arena.node().client(), arena.crowd.ids()).await?;
        let sure = arena.now();
        arena.run(STILL).await?;
        arena.fault("kill -9, and a copy of all files");
        arena.kill()?;
        known.note(&arena.noted(), sure);
        let files = TempDir::new()?;
        let disk = arena.node().disk();
        tokio::task::block_in_place(|| damage::copy(&disk, files.path()))?;
        arena.start().await?;
        Ok(Self { files, known, config: config.clone() })
    }

    pub(super) fn root(&self) -> &Path {
        self.files.path()
    }

    /// Starts a node on a copy, hurts it, and notes how it takes it. `lately` says whether the
    /// damage may cost what was stored in the last second (SEMANTICS 26). Returns its log's end.
    pub(super) async fn hurt(
        &self,
        arena: &mut Arena,
        harm: &Harm,
        lately: bool,
    ) -> Result<String> {
        arena.fault(harm.to_string());
        let mut victim = Node::prepare_of(&self.config, PathBuf::new())?;
        victim.keep_quiet();
        victim.launcher().clone_from(arena.node().launcher());
        let disk = victim.disk();
        tokio::task::block_in_place(|| damage::copy(self.root(), &disk))?;
        match harm {
            Harm::Wound(wound) => wound.inflict(&disk)?,
            Harm::Points(points) => fail_points::arm(victim.launcher(), points),
        }
        victim.start_process()?;
        let (refused, differences) = if ready(&mut victim).await? {
            self.compare(&mut victim, lately).await?
        } else {
            (Some(words(&victim)), Vec::new())
        };
        if let Some(words) = &refused {
            arena.fault(format!("refused: {words}"));
        }
        let (what, file, found_by) = (harm.to_string(), harm.file(), harm.found_by());
        let round = arena.round();
        arena.damage(Damage { round, what, file, found_by, refused, differences });
        Ok(victim.log_tail())
    }

    /// What it refuses, and what it shows that is wrong.
    async fn compare(
        &self,
        victim: &mut Node,
        lately: bool,
    ) -> Result<(Option<String>, Vec<String>)> {
        let mut shown = self.known.compare(&victim.client(), lately).await;
        tokio::time::sleep(AFTER).await;
        if victim.ended()?.is_some() {
            return Ok((Some(words(victim)), Vec::new()));
        }
        shown.differences.extend(self.other_lines(victim)?);
        if !shown.differences.is_empty() {
            return Ok((None, shown.differences));
        }
        Ok((shown.refusals.first().cloned(), Vec::new()))
    }

    /// What was told is told: apart from the damage itself, lines only come behind it.
    fn other_lines(&self, victim: &Node) -> Result<Option<String>> {
        let before = fs::read(self.root().join("events.jsonl"))?;
        let now = fs::read(victim.events_file())?;
        let (before, now) = (lines(&before), lines(&now));
        let changed = before.iter().zip(&now).filter(|(before, now)| before != now).count();
        // A damaged line break makes one line of two.
        let gone = before.len().saturating_sub(now.len());
        let wrong = changed > 1 && gone != 1 || gone > 1;
        Ok(wrong.then(|| {
            format!("of {} lines of the event file, {changed} differ, {gone} gone", before.len())
        }))
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| *byte == b'\n').collect()
}

/// Whether it gets ready; if not, it has ended.
async fn ready(victim: &mut Node) -> Result<bool> {
    let (client, started) = (victim.client(), Instant::now());
    while victim.ended()?.is_none() {
        if client.is_ready().await {
            return Ok(true);
        }
        let took = started.elapsed();
        ensure!(took < STARTS, "neither ready nor ended after {took:?}: {}", words(victim));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(false)
}

fn words(victim: &Node) -> String {
    let log = victim.log_tail();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(WORDS)..].join(" | ")
}
