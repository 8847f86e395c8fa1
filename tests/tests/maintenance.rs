//! SEMANTICS 18: once the PUT has answered, no transition of a matching resource is anything
//! but MAINTENANCE, whatever its target does.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Config, Node,
    control::seeded,
    eventually,
    oracle::{self, EventFile, Told},
    targets::{Flipper, Protocol, Targets},
};
use model::{Millis, WallTime};
use serde_json::json;

const SHOP: usize = 40;
const OTHERS: usize = 10;
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn semantics_18_after_the_answer_there_is_no_transition_but_maintenance() -> Result<()> {
    let (seed, _) = seeded("maintenance");
    let targets = Targets::start(Protocol::Http, SHOP + OTHERS).await?;
    let config = (0..targets.len()).fold(Config::new().timing("300ms", "250ms"), |config, n| {
        config.resource(declaration(&targets, n, if n < SHOP { "shop" } else { "search" }))
    });
    let node = Node::start(&config).await?;
    let client = node.client();
    let switches = (0..targets.len()).map(|n| targets.target(n).clone()).collect();
    let flipper = Flipper::start(switches, Duration::from_millis(5), seed);
    everybody_has_changed(&node, "", 0).await?;

    let ends_at = now().plus(Millis::from_secs(3_600)).to_string();
    let window = json!({"selector": "team=shop", "ends_at": ends_at, "reason": "upgrade"});
    client.put_maintenance("upgrade", &window).await?.success()?;
    let answered = now();
    let late = declaration(&targets, 0, "shop");
    client.put("endpoint:late", &renamed(late), "late").await?.success()?;
    let before = client.list("labels=team%3Dsearch").await?;
    let seen = before.iter().filter_map(|row| row["sequence"].as_u64()).max().unwrap_or(0);
    everybody_has_changed(&node, "labels=team%3Dsearch", seen + 2).await?;
    flipper.stop().await;

    let file = EventFile::read(&node.events_file())?;
    oracle::none("the event file", &file.violations())?;
    let wrong: Vec<String> = file
        .events
        .iter()
        .filter(|event| is_shop(event) && is_after(event, answered) && pages(event))
        .map(ToString::to_string)
        .collect();
    oracle::none("transitions after the answer", &wrong)?;
    let rows = client.list("labels=team%3Dshop").await?;
    ensure!(rows.len() == SHOP + 1, "{} resources of the shop", rows.len());
    for row in &rows {
        ensure!(row["health_status"] == "MAINTENANCE", "not in maintenance: {row}");
    }
    what_lies_beneath_comes_back(&node, &targets).await
}

/// After the window every resource shows the state of its target again.
async fn what_lies_beneath_comes_back(node: &Node, targets: &Targets) -> Result<()> {
    let client = node.client();
    client.end_maintenance("upgrade").await?.success()?;
    eventually("the health beneath comes back", SOON, async || {
        for n in 0..SHOP {
            let row = client.resource(&format!("endpoint:{n}")).await?;
            let wanted = if targets.target(n).is_up() { "HEALTHY" } else { "CRITICAL" };
            ensure!(row["health_status"] == wanted, "its target is {wanted}: {row}");
        }
        Ok(())
    })
    .await
}

fn declaration(targets: &Targets, n: usize, team: &str) -> serde_json::Value {
    json!({"type": "ENDPOINT", "name": n.to_string(), "labels": {"team": team},
        "check": targets.check(n)})
}

fn renamed(mut declaration: serde_json::Value) -> serde_json::Value {
    declaration["name"] = json!("late");
    declaration
}

/// Waits until all resources of a filter have published more than `sequence` events.
async fn everybody_has_changed(node: &Node, filter: &str, sequence: u64) -> Result<()> {
    let client = node.client();
    eventually("everybody has changed", SOON, async || {
        let rows = client.list(filter).await?;
        ensure!(!rows.is_empty(), "nobody is there");
        let fewest = rows.iter().filter_map(|row| row["sequence"].as_u64()).min();
        let fewest = fewest.context("no sequences")?;
        ensure!(fewest > sequence, "somebody has {fewest} events, wanted more than {sequence}");
        Ok(())
    })
    .await
}

fn is_shop(event: &Told) -> bool {
    let number = event.subject.strip_prefix("endpoint:");
    number.is_some_and(|n| n == "late" || n.parse::<usize>().is_ok_and(|n| n < SHOP))
}

/// Events carry milliseconds: one of the very millisecond of the answer may lie before it.
fn is_after(event: &Told, moment: WallTime) -> bool {
    WallTime::parse_rfc3339(&event.time).is_some_and(|time| time.0 > moment.0)
}

fn pages(event: &Told) -> bool {
    event.kind == "updated" && event.status != "MAINTENANCE"
}

fn now() -> WallTime {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    WallTime(i64::try_from(now).unwrap_or(i64::MAX))
}
