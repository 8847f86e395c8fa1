//! Row 10: the file system of the data directory runs full. The node takes no writes and goes on
//! to be read, until there is room again.
//!
//! To the last byte at once, its guard cannot be quick enough: then it may end, and says why.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::{BoxFuture, FutureExt};
use harness::eventually;
use rand::RngExt;
use serde_json::json;

use crate::{
    arena::{Arena, Started},
    mechanism::{Filler, SMALL_FS, SmallFs, free},
    scenario::{Fault, Scenario, Site},
};

pub(super) const FULL: Scenario = Scenario {
    row: 10,
    name: "disk-full",
    fault: "the data directory's file system runs full: below the reserve, or to the last byte",
    invariants: "AEPLCMU",
    needs: &[SMALL_FS],
    begin,
    ..Scenario::USUAL
};

const DISK: u64 = 256 << 20;
const RESERVE: u64 = 48 << 20;
/// How long the guard may take to notice, and to let go.
const NOTICES: Duration = Duration::from_secs(5);
/// Between two writes; the guard looks twice meanwhile.
const PAUSE: Duration = Duration::from_millis(200);
const FULL_STATUS: u16 = 507;
/// The only reason for which it may end.
const WORDS: [&str; 3] = ["no space", "os error 28", "free space"];

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    site.node().launcher().set("BELLWETHER_NODE__DISK_RESERVE", &RESERVE.to_string());
    Ok(Box::new(Full { disk: SmallFs::create(&site.node().disk(), DISK)? }))
}

struct Full {
    disk: SmallFs,
}

impl Fault for Full {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..1_500);
            arena.run(Duration::from_millis(moment)).await?;
            match arena.random().random_range(0..4) {
                0 | 1 => self.below_the_reserve(arena).await?,
                2 => self.to_the_last_byte(arena).await?,
                _ => self.at_a_start(arena).await?,
            }
            takes_writes(arena).await
        }
        .boxed()
    }
}

impl Full {
    /// Writes are refused with the reason, reads answered, and nothing ends.
    async fn below_the_reserve(&self, arena: &mut Arena) -> Result<()> {
        let left = arena.random().random_range(RESERVE / 4..RESERVE * 3 / 4);
        arena.fault(format!("{} MiB are left", left >> 20));
        let filler = Filler::fill(self.disk.at(), left)?;
        refuses_writes(arena, &filler, left).await?;
        let span = Duration::from_millis(arena.random().random_range(500..4_000));
        let until = Instant::now() + span;
        while Instant::now() < until {
            let before = free(self.disk.at())?;
            arena.run(PAUSE).await?;
            let most = before.max(free(self.disk.at())?);
            let rows = arena.node().client().list("limit=5000").await;
            rows.context("a full disk keeps it from being read")?;
            let status = write(arena).await?;
            if status != FULL_STATUS {
                // By what it has written out and deleted since.
                ensure!(most >= RESERVE, "a write is answered {status}, {most} bytes were left");
                arena.fault(format!("it has made room: {} MiB", most >> 20));
                refuses_writes(arena, &filler, left).await?;
            }
        }
        arena.fault("there is room again");
        Ok(())
    }

    /// It may go on, or end and say why; then it starts once there is room.
    async fn to_the_last_byte(&self, arena: &mut Arena) -> Result<()> {
        arena.fault("nothing is left");
        let filler = Filler::fill(self.disk.at(), 0)?;
        let span = Duration::from_millis(arena.random().random_range(500..3_000));
        let ended = arena.until_it_ends(span).await.is_ok();
        drop(filler);
        if !ended {
            arena.fault("there is room again");
            return Ok(());
        }
        says_why(&arena.last_words())?;
        arena.fault("it has ended; there is room again");
        arena.start().await
    }

    async fn at_a_start(&self, arena: &mut Arena) -> Result<()> {
        let left = arena.random().random_range(0..RESERVE);
        arena.fault(format!("kill -9, and a start with {} MiB left", left >> 20));
        arena.kill()?;
        let filler = Filler::fill(self.disk.at(), left)?;
        if let Started::Refused(words) = arena.try_start().await? {
            arena.fault(format!("it does not start: {words}"));
            drop(filler);
            says_why(&words)?;
            return arena.start().await;
        }
        let span = Duration::from_millis(arena.random().random_range(0..2_000));
        if arena.until_it_ends(span).await.is_ok() {
            says_why(&arena.last_words())?;
            drop(filler);
            return arena.start().await;
        }
        Ok(())
    }
}

/// What the node gives back meanwhile is taken, too.
async fn refuses_writes(arena: &Arena, filler: &Filler, left: u64) -> Result<()> {
    eventually("writes are refused", NOTICES, async || {
        filler.fill_again(left)?;
        let status = write(arena).await?;
        ensure!(status == FULL_STATUS, "a write is answered {status}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// Writes come back by themselves.
async fn takes_writes(arena: &mut Arena) -> Result<()> {
    let arena = &*arena;
    eventually("writes are taken again", NOTICES, async || {
        let status = write(arena).await?;
        ensure!(status < 300, "a write is answered {status}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// The status of a write that changes something each time.
async fn write(arena: &Arena) -> Result<u16> {
    let now = arena.now().to_string();
    let body = json!({
        "type": "SERVICE", "name": "full", "labels": {"now": now},
        "check": {"push": {"ttl": "1h"}},
    });
    Ok(arena.nodes()[0]
        .client()
        .put("push:full", &body, &format!("full-{now}"))
        .await?
        .status
        .as_u16())
}

fn says_why(words: &str) -> Result<()> {
    let lower = words.to_lowercase();
    let said = WORDS.iter().any(|reason| lower.contains(reason));
    ensure!(said, "it ended on a full disk and does not say so: {words}");
    Ok(())
}
