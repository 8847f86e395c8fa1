//! 10: kill -9 and restart with 100,000 resources.
//!
//! Two moments count, from the start of the process: the first linearizable read over all shards
//! is answered, and every resource is scheduled. The phases before them come from the node's log.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::DateTime;
use futures_util::FutureExt;
use harness::targets::{Protocol, Targets};
use serde_json::json;

use super::{
    Bench,
    http::Connection,
    ours::{Ours, field, synthetic},
};
use crate::{
    plan::Plan,
    report::{Outcome, Row, Target},
};

pub(super) const BENCH: Bench = Bench {
    number: 10,
    name: "restart",
    about: "kill -9 and restart with 100,000 resources: first linearizable read, all scheduled",
    run: |plan| run(plan).boxed_local(),
};

const RESOURCES: usize = 100_000;
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks: what a moment is told too late at most.
const LOOK: Duration = Duration::from_millis(10);
/// Between two rounds, so that each kill meets a node at rest.
const REST: Duration = Duration::from_secs(5);
/// Needs all shards, and little of each.
const READ: &str =
    "/api/v1/infrastructure/resources?limit=1&labels=team%3Dt0&consistency=linearizable";

async fn run(plan: &Plan) -> Result<Outcome> {
    let resources = if plan.quick { RESOURCES / 10 } else { RESOURCES };
    plan.progress(&format!("10 restart: declaring {resources} resources"));
    let target = Targets::start(Protocol::Tcp, 1).await?;
    let address = target.address(0).to_string();
    let mut node = Ours::start(plan, &synthetic(resources, &address)).await?;
    node.has_checked(resources).await?;
    let mut rounds = Vec::new();
    for round in 0..plan.pair_count {
        tokio::time::sleep(REST).await;
        plan.progress(&format!("10 restart: {} of {}", round + 1, plan.pair_count));
        rounds.push(restart(&mut node, resources).await?);
        node.has_checked(resources).await?;
    }
    Ok(outcome(resources, &rounds))
}

/// Seconds from the start of the process.
struct Round {
    read: f64,
    scheduled: f64,
    phases: Phases,
}

async fn restart(node: &mut Ours, resources: usize) -> Result<Round> {
    let wall = chrono::Utc::now();
    let began = node.kill_and_restart()?;
    let address = node.address();
    let (read, scheduled) =
        tokio::try_join!(first_read(&address, began), all_scheduled(node, resources, began),)?;
    let phases = Phases::of(&node.log(), wall);
    Ok(Round { read: read.as_secs_f64(), scheduled: scheduled.as_secs_f64(), phases })
}

async fn first_read(address: &str, began: Instant) -> Result<Duration> {
    loop {
        let answered = async { Connection::open(address).await?.get(READ).await.map(<[u8]>::len) };
        if let Ok(Ok(length)) = tokio::time::timeout(LIMIT, answered).await {
            ensure!(length > 2, "the first read finds no resource");
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < LIMIT, "no read is answered within {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
}

async fn all_scheduled(node: &Ours, resources: usize, began: Instant) -> Result<Duration> {
    while scheduled(&node.log()) < resources {
        ensure!(began.elapsed() < LIMIT, "not all are scheduled within {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(began.elapsed())
}

/// Each shard says once how many resources it monitors, when all of them are scheduled.
fn scheduled(log: &str) -> usize {
    let monitoring = log.lines().filter(|line| line.contains("\"monitoring\""));
    let counts = monitoring.filter_map(|line| field(line, "resources")?.as_u64());
    counts.map(|count| usize::try_from(count).unwrap_or(0)).sum()
}

/// When the node said so, in seconds from its start; none where it said nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Phases {
    loaded: Option<f64>,
    leads: Option<f64>,
    ready: Option<f64>,
}

impl Phases {
    fn of(log: &str, began: DateTime<chrono::Utc>) -> Self {
        let at = |message: &str| {
            let said = |line: &&str| field(line, "message").is_some_and(|found| found == message);
            let time = field(log.lines().find(said)?, "timestamp")?;
            let time = DateTime::parse_from_rfc3339(time.as_str()?).ok()?;
            Some((time.to_utc() - began).as_seconds_f64())
        };
        Self { loaded: at("loaded"), leads: at("all groups lead"), ready: at("ready") }
    }
}

fn outcome(resources: usize, rounds: &[Round]) -> Outcome {
    let workload = format!("{resources} resources");
    let each =
        |of: &dyn Fn(&Round) -> Option<f64>| rounds.iter().filter_map(of).collect::<Vec<_>>();
    let row = |metric: &str, samples: Vec<f64>| {
        Row::new(workload.as_str(), metric).samples(samples, Vec::new())
    };
    let rows = vec![
        row("s to the first linearizable read", each(&|r| Some(r.read)))
            .target(Target::AtMost(5.0)),
        row("s until all are scheduled", each(&|r| Some(r.scheduled))).target(Target::AtMost(5.0)),
        row("s: configuration read, groups loaded", each(&|r| r.phases.loaded)),
        row("s: all groups lead", each(&|r| r.phases.leads)),
        row("s: the API listens", each(&|r| r.phases.ready)),
    ];
    let notes = [
        "from the start of the process after kill -9, with the page cache warm; what the kernel takes to free the memory of the killed one comes before",
        "the read is a filtered list of limit 1, which asks all shards; the resources are declared by the configuration file, whose reading is within the figure",
        "scheduled: every shard has started its actors and armed its timers",
    ];
    let phases: Vec<_> = rounds
        .iter()
        .map(|r| {
            json!({ "read": r.read, "scheduled": r.scheduled, "loaded": r.phases.loaded,
                "leads": r.phases.leads, "ready": r.phases.ready })
        })
        .collect();
    Outcome {
        rows,
        notes: notes.map(str::to_owned).to_vec(),
        extra: Some(json!({ "resources": resources, "rounds": phases })),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        r#"{"timestamp":"2026-11-21T11:00:02.5Z","message":"loaded","groups":17}"#,
        "\n",
        r#"{"timestamp":"2026-11-21T11:00:03Z","message":"monitoring","resources":60}"#,
        "\n",
        r#"{"timestamp":"2026-11-21T11:00:03Z","message":"monitoring","resources":40}"#,
        "\n{\"timestamp\":\"2026-11-21T11:00:0",
    );

    #[test]
    fn what_the_shards_monitor_is_summed() {
        assert_eq!(scheduled(LOG), 100);
        assert_eq!(scheduled(""), 0);
    }

    #[test]
    fn phases_are_told_from_the_start() {
        let began = DateTime::parse_from_rfc3339("2026-11-21T11:00:00Z").unwrap().to_utc();
        let expected = Phases { loaded: Some(2.5), leads: None, ready: None };
        assert_eq!(Phases::of(LOG, began), expected);
    }
}
