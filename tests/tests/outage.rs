//! Show 2: a watched server stops and comes back, and every reader sees it alike.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Config, Node, eventually,
    oracle::{self, EventFile},
    targets::{Protocol, Targets},
    watch::{Change, Watch},
};
use serde_json::json;

const ID: &str = "endpoint:shop";
const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_seen_alike_by_the_command_line_a_watch_and_the_event_file() -> Result<()> {
    let mut server = Targets::start(Protocol::Http, 1).await?;
    let config = Config::new().timing("500ms", "400ms").resource(json!({
        "type": "ENDPOINT", "name": "shop", "check": server.check(0),
    }));
    let node = Node::start(&config).await?;
    let followed = node.follow(&["get", ID, "-w"], "get.txt")?;
    let mut watch = node.client().watch(None, "").await?;
    watch.snapshot(SOON).await?;
    becomes(&node, "HEALTHY").await?;
    eventually("get -w shows it healthy", SOON, async || {
        followed.printed().contains("HEALTHY").then_some(()).context(followed.printed())
    })
    .await?;

    server.stop().await;
    let down = transition(&mut watch, "CRITICAL").await?;
    ensure!(down.reason().is_some_and(|r| r.contains("refused")), "no precise reason: {down:?}");
    server.listen().await?;
    let up = transition(&mut watch, "HEALTHY").await?;
    ensure!(up.sequence() == down.sequence().map(|n| n + 1), "{up:?} after {down:?}");

    eventually("get -w shows both in order", SOON, async || {
        let printed = followed.printed();
        let (_, after) = printed.split_once("CRITICAL").context(printed.clone())?;
        ensure!(printed.contains("refused"), "without the reason: {printed}");
        after.contains("HEALTHY").then_some(()).context(printed.clone())
    })
    .await?;
    the_file_shows_it(&node).await
}

async fn the_file_shows_it(node: &Node) -> Result<()> {
    let file = eventually("the event file shows it all", SOON, async || {
        let file = EventFile::read(&node.events_file())?;
        let told: Vec<_> = file.of(ID).iter().map(|e| e.status.clone()).collect();
        let tail = told[told.len().saturating_sub(3)..].to_vec();
        ensure!(tail == ["HEALTHY", "CRITICAL", "HEALTHY"], "{told:?}");
        Ok(file)
    })
    .await?;
    oracle::none("the event file", &file.violations())?;
    let critical = file.of(ID).into_iter().find(|e| e.status == "CRITICAL").context("no outage")?;
    ensure!(critical.reason.contains("refused"), "{critical}");
    let verify = node.cli(&["events", "verify", &node.events_file().display().to_string()])?;
    ensure!(verify.status.success(), "events verify: {verify:?}");
    Ok(())
}

async fn becomes(node: &Node, status: &str) -> Result<()> {
    let client = node.client();
    eventually(&format!("{ID} becomes {status}"), SOON, async || {
        let row = client.resource(ID).await?;
        ensure!(row["health_status"] == status, "{row}");
        Ok(())
    })
    .await
}

async fn transition(watch: &mut Watch, status: &str) -> Result<Change> {
    let wanted = |change: &Change| {
        change.kind == "transition"
            && change.resource_id() == Some(ID)
            && change.status() == Some(status)
    };
    watch.find(SOON, wanted).await
}
