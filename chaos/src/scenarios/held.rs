//! Row 1: the node is killed, or stopped in order, while a threshold is violated and its holding time
//! (`for:`) runs. After a kill the latest entries of the log are applied again; after a stop the state
//! is read as it was written out.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, FutureExt};
use harness::Client;
use model::WallTime;
use rand::RngExt;
use serde_json::json;

use crate::{
    arena::Arena,
    history::TimerNote,
    scenario::{Fault, Scenario},
};

pub(super) const KILL_TIMERS: Scenario = Scenario {
    name: "kill-timers",
    fault: "kill -9, or a stop in order, while thresholds wait for their time, and a start at once",
    begin: |_| Ok(Box::new(Held { declared: false })),
    ..super::restart::KILL
};

const RESOURCES: usize = 8;
/// The holding time, in milliseconds.
const HOLD: u64 = 3_000;
/// What a restart, the next observation and the harness's own look may add, in milliseconds.
const SLACK: u64 = 1_200;
const PAUSE: Duration = Duration::from_millis(100);
const BAD: f64 = 90.0;
const GOOD: f64 = 10.0;

struct Held {
    declared: bool,
}

impl Fault for Held {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let client = arena.node().client();
            if !self.declared {
                declare(&client).await?;
                self.declared = true;
            }
            let mut timers = Vec::new();
            for n in 0..RESOURCES {
                let asked = arena.now();
                push(&client, n, BAD).await?;
                let (id, since) = (id(n), arena.now());
                let (hold, slack) = (HOLD, SLACK);
                timers.push(TimerNote { id, asked, since, hold, slack, told: None, until: since });
            }
            let kill_at = arena.random().random_range(HOLD / 2..HOLD * 9 / 10);
            go_on(arena, &client, &mut timers, kill_at).await?;
            if arena.random().random_bool(0.5) {
                arena.fault("kill -9 while thresholds wait");
                arena.kill()?;
            } else {
                arena.fault("a stop in order while thresholds wait");
                arena.stop_at(0).await?;
            }
            arena.start().await?;
            go_on(arena, &client, &mut timers, HOLD + 2 * SLACK).await?;
            arena.history.timers.extend(timers);
            for n in 0..RESOURCES {
                push(&client, n, GOOD).await?;
            }
            arena.run(PAUSE).await
        }
        .boxed()
    }
}

async fn declare(client: &Client) -> Result<()> {
    for n in 0..RESOURCES {
        let hold = format!("{HOLD}ms");
        let body = json!({
            "type": "SERVICE", "name": id(n), "check": {"push": {"ttl": "1h"}},
            "thresholds": {"load": {"critical": 50, "for": hold}},
        });
        client.put(&id(n), &body, &id(n)).await?.success()?;
        push(client, n, GOOD).await?;
    }
    Ok(())
}

/// Goes on to observe and to look, until so long after the first observation.
async fn go_on(
    arena: &mut Arena,
    client: &Client,
    timers: &mut [TimerNote],
    until: u64,
) -> Result<()> {
    let end = timers[0].since + until;
    while arena.now() < end && timers.iter().any(|timer| timer.told.is_none()) {
        for n in 0..RESOURCES {
            push(client, n, BAD).await?;
        }
        look(arena, client, timers).await?;
        arena.run(PAUSE).await?;
    }
    Ok(())
}

async fn look(arena: &Arena, client: &Client, timers: &mut [TimerNote]) -> Result<()> {
    for timer in timers.iter_mut().filter(|timer| timer.told.is_none()) {
        let row = client.resource(&timer.id).await?;
        timer.until = arena.now();
        let health = row["health_status"].as_str().context("no health_status")?;
        timer.told = (health == "CRITICAL").then_some(timer.until);
    }
    Ok(())
}

async fn push(client: &Client, n: usize, load: f64) -> Result<()> {
    let now = WallTime(i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?);
    let body = json!({
        "outcome": "ok", "metrics": {"load": load}, "observed_at": now.to_string(),
    });
    client.observe(&id(n), &body).await?.success()?;
    Ok(())
}

fn id(n: usize) -> String {
    format!("load:{n}")
}
