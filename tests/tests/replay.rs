//! SEMANTICS 3: stored transitions are decided again from their inputs, as they were, and by other
//! thresholds.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use bellwether_tests::{Config, Node};
use model::{Millis, WallTime};
use serde_json::{Value, json};

const ID: &str = "service:a";

#[tokio::test(flavor = "multi_thread")]
async fn semantics_3_what_was_decided_is_decided_again_over_a_kill_and_by_other_thresholds()
-> Result<()> {
    let mut node = Node::start(&Config::new()).await?;
    declare(&node, 85.0, "first").await?;
    for (second, cpu) in (0..).zip([50.0, 91.2, 99.9, 40.0, 86.1, 12.5]) {
        report(&node, second, cpu).await?;
    }
    node.kill()?;
    node.launch().await?;
    let told = ended(&node.cli(&["events", "replay"])?);
    ensure!(told.0 == Some(0) && told.2.starts_with("none of "), "{told:?}");

    let file = node.dir().join("new.yaml");
    std::fs::write(&file, "thresholds: { cpu_usage_percent: { warning: 95 } }\n")?;
    let path = file.to_str().context("a path")?;
    let found = replayed(&node, &["--thresholds", path, ID, "-o", "json"])?;
    // Of 91.2 and 86.1, which were beyond 85; 99.9 is beyond both.
    ensure!(found.len() == 2, "{found:?}");
    ensure!(found.iter().all(|one| one["would_be"]["health_status"] == "HEALTHY"), "{found:?}");

    declare(&node, 95.0, "second").await?;
    let told = ended(&node.cli(&["events", "replay", ID])?);
    ensure!(told.0 == Some(0) && told.2.contains("by an earlier declaration"), "{told:?}");
    report(&node, 10, 97.0).await?;
    let told = ended(&node.cli(&["events", "replay", ID, "--limit", "1"])?);
    ensure!(told.2 == "none of 1 transition of 1 resource would differ\n", "{told:?}");
    Ok(())
}

async fn declare(node: &Node, warning: f64, key: &str) -> Result<()> {
    let declaration = json!({"type": "SERVICE", "name": "a", "check": {"push": {"ttl": "1h"}},
        "thresholds": {"cpu_usage_percent": {"warning": warning}}});
    node.client().put(ID, &declaration, key).await?.success()?;
    Ok(())
}

async fn report(node: &Node, second: u64, cpu: f64) -> Result<()> {
    let at = WallTime::parse_rfc3339("2026-01-01T00:00:00Z").context("a time")?;
    let at = at.plus(Millis::from_secs(second));
    let observation = json!({"outcome": "ok", "observed_at": at.to_string(),
        "metrics": {"cpu_usage_percent": cpu}});
    node.client().observe(ID, &observation).await?.success()?;
    Ok(())
}

fn replayed(node: &Node, arguments: &[&str]) -> Result<Vec<Value>> {
    let output = node.cli(&[&["events", "replay"], arguments].concat())?;
    ensure!(output.status.success(), "{:?}", ended(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
