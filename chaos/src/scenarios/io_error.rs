//! Row 11: the disk fails once, at a call of the data directory's files or at the event file's.
//!
//! A failed sync says that what was written may be lost, and says so once only: the node ends
//! rather than tries again. The event file is written again from the outbox, so that its
//! failures end nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use rand::{Rng, RngExt, seq::IndexedRandom};

use crate::{
    arena::{Arena, Started},
    mechanism::{Injection, STRACE, Tracer},
    scenario::{Fault, Scenario},
};

pub(super) const ERROR: Scenario = Scenario {
    row: 11,
    name: "io-error",
    fault: "EIO at the n-th write or sync of a file, while it runs and while it starts",
    invariants: "AEPLCMU",
    needs: &[STRACE],
    begin: |_| Ok(Box::new(IoError)),
    ..Scenario::USUAL
};

/// How long the n-th call may take to come, and the node to end after it.
const ENDS: Duration = Duration::from_secs(30);
/// Calls on files that a start makes; some are the loader's.
const AT_START: [&str; 7] =
    ["pread64", "fdatasync", "fsync", "rename", "ftruncate", "fallocate", "unlink"];

/// Where it fails.
#[derive(Debug, Clone, Copy)]
enum Place {
    Log,
    SideFile,
    EventFile,
    Start,
}

struct IoError;

impl Fault for IoError {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..1_500);
            arena.run(Duration::from_millis(moment)).await?;
            let places = [Place::Log, Place::Log, Place::SideFile, Place::EventFile, Place::Start];
            match *places.choose(arena.random()).context("there are places")? {
                Place::EventFile => events(arena).await,
                Place::Start => start(arena).await,
                fatal => ends(arena, fatal).await,
            }
        }
        .boxed()
    }
}

/// The node must end by itself, and comes back.
async fn ends(arena: &mut Arena, place: Place) -> Result<()> {
    let injection = match place {
        Place::SideFile => of_side_file(arena)?,
        _ => of_log(arena)?,
    };
    let _tracer = attach(arena, &injection)?;
    let status = arena.until_it_ends(ENDS).await?;
    in_order(arena, status)?;
    arena.start().await
}

fn of_log(arena: &mut Arena) -> Result<Injection> {
    let log = newest_log(&arena.node().data_dir())?;
    let calls = *["fdatasync", "write"].choose(arena.random()).context("there are calls")?;
    Ok(nth(arena.random(), calls, 60, vec![log]))
}

fn of_side_file(arena: &mut Arena) -> Result<Injection> {
    let file = arena.node().data_dir().join("SYNCED");
    let calls = *["pwrite64", "fdatasync"].choose(arena.random()).context("there are calls")?;
    Ok(nth(arena.random(), calls, 3, vec![file]))
}

/// The node must go on; what it told is complete in the end.
async fn events(arena: &mut Arena) -> Result<()> {
    let file = arena.node().events_file();
    let calls = *["fdatasync", "write"].choose(arena.random()).context("there are calls")?;
    let mut injection = nth(arena.random(), calls, 5, vec![file]);
    // Again and again: the first, and every so many after it.
    injection.effect += &format!("+{}", arena.random().random_range(1..4));
    let tracer = attach(arena, &injection)?;
    arena.run(Duration::from_secs(3)).await?;
    tokio::task::block_in_place(|| drop(tracer));
    Ok(())
}

/// It may get ready, where the call did not count, or end and say why.
async fn start(arena: &mut Arena) -> Result<()> {
    let calls = *AT_START.choose(arena.random()).context("there are calls")?;
    let injection = nth(arena.random(), calls, 12, Vec::new());
    arena.fault(format!("kill -9, and a start with {} of {calls}", injection.effect));
    arena.kill()?;
    arena.node().launcher().wrap(injection.wrapper());
    let started = arena.try_start().await;
    arena.node().launcher().unwrap_all();
    match started? {
        Started::Ready => arena.kill()?,
        Started::Refused(words) => {
            let said =
                ["error", "failed", "cannot"].iter().any(|w| words.to_lowercase().contains(w));
            ensure!(said, "the node ended at its start without a reason: {words}");
        }
    }
    arena.start().await
}

fn nth(random: &mut impl Rng, calls: &'static str, most: u32, paths: Vec<PathBuf>) -> Injection {
    let effect = format!("error=EIO:when={}", random.random_range(1..=most));
    Injection { calls, effect, paths }
}

fn attach(arena: &mut Arena, injection: &Injection) -> Result<Tracer> {
    let names = injection.paths.iter().filter_map(|path| path.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    arena.fault(format!("{} of {} on {}", injection.effect, injection.calls, names.join(", ")));
    let pid = arena.node().pid().context("the node is not running")?;
    tokio::task::block_in_place(|| Tracer::of_process(pid, injection))
}

/// It ended by a decision, not by a crash.
fn in_order(arena: &Arena, status: ExitStatus) -> Result<()> {
    let words = arena.last_words();
    ensure!(status.code().is_some_and(|code| code != 101), "it crashed with {status}: {words}");
    ensure!(words.contains("Input/output error") || words.contains("os error 5"), "{words}");
    Ok(())
}

/// The write-ahead log that is written now.
pub(super) fn newest_log(data: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(data.join("raft"))?.flatten().map(|file| file.path());
    let logs = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.max().context("there is no write-ahead log")
}
