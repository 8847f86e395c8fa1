//! Show 1: the quick start watches its host within a minute, and tells the truth about it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Node, eventually,
    process::{CpuTime, disk_percent, memory_percent},
};
use model::WallTime;
use serde_json::Value;
use tokio::task::JoinHandle;

/// How far a figure may be from what the host itself says, in points.
const TOLERANCE: f64 = 2.0;
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_shows_all_that_it_watches_as_it_is_within_a_minute() -> Result<()> {
    let processors = Processors::start();
    let node = Node::quick_start().await?;
    let client = node.client();
    eventually("everything is healthy", MINUTE, async || {
        let rows = client.list("").await?;
        ensure!(rows.len() >= 4, "only {} resources", rows.len());
        let ill: Vec<_> = rows.iter().filter(|row| row["health_status"] != "HEALTHY").collect();
        ensure!(ill.is_empty(), "not healthy: {ill:?}");
        Ok(())
    })
    .await?;

    let hosts = client.list("resource_type=HOST").await?;
    let first = hosts.first().context("no host in the list")?;
    let id = first["resource_id"].as_str().context("no resource_id")?;
    let second = eventually("a second look at the host", MINUTE, async || {
        let row = client.resource(id).await?;
        ensure!(row["last_updated"] != first["last_updated"], "still the first look");
        Ok(row)
    })
    .await?;
    near(&second, "memory_usage_percent", memory_percent()?)?;
    near(&second, "disk_usage_percent", disk_percent()?)?;
    let truth = processors.percent_between(updated(first)?, updated(&second)?)?;
    near(&second, "cpu_usage_percent", truth)
}

fn near(row: &Value, metric: &str, truth: f64) -> Result<()> {
    let shown = row["metrics"][metric].as_f64().with_context(|| format!("no {metric}: {row}"))?;
    ensure!((shown - truth).abs() <= TOLERANCE, "{metric}: shown {shown:.2}, truly {truth:.2}");
    Ok(())
}

/// When the row's observation was made, in milliseconds since 1970.
fn updated(row: &Value) -> Result<i64> {
    let text = row["last_updated"].as_str().context("no last_updated")?;
    Ok(WallTime::parse_rfc3339(text).with_context(|| format!("{text} is no time"))?.0)
}

/// Reads the processors' time all along, so that any window can be looked up afterwards: the
/// host check shows the use since its look before.
struct Processors {
    readings: Arc<Mutex<Vec<(i64, CpuTime)>>>,
    reader: JoinHandle<()>,
}

impl Processors {
    fn start() -> Self {
        let readings = Arc::default();
        let reader = tokio::spawn(Self::read(Arc::clone(&readings)));
        Self { readings, reader }
    }

    async fn read(readings: Arc<Mutex<Vec<(i64, CpuTime)>>>) {
        loop {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
            if let (Ok(now), Ok(time)) = (i64::try_from(now), CpuTime::now()) {
                readings.lock().expect("nobody panics with the lock").push((now, time));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn percent_between(&self, from: i64, to: i64) -> Result<f64> {
        let readings = self.readings.lock().expect("nobody panics with the lock");
        let near = |moment: i64| {
            let nearest = readings.iter().min_by_key(|(at, _)| (at - moment).abs());
            nearest.map(|(_, time)| *time).context("nothing was read")
        };
        Ok(near(to)?.percent_since(near(from)?))
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
