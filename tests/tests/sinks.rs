//! The sinks of a cluster, as any of its nodes shows them: what others publish, and who does not answer.

use std::time::Duration;

use anyhow::{Result, ensure};
use bellwether_tests::{Client, Cluster, Config, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const RESOURCES: usize = 40;

async fn sink(client: &Client) -> Result<Value> {
    let sinks = client.get("/api/v1/sinks").await?.success()?.json();
    let [sink] = sinks.as_array().map_or(&[][..], Vec::as_slice) else {
        anyhow::bail!("there is another number of sinks: {sinks}")
    };
    Ok(sink.clone())
}

/// How it does on each node.
fn states(sink: &Value) -> Vec<(&str, Option<&str>)> {
    let nodes = sink["nodes"].as_array().into_iter().flatten();
    nodes.map(|on| (on["node"].as_str().unwrap_or_default(), on["state"].as_str())).collect()
}

/// Events decided and acknowledged in all shards, and how many shards are shown.
fn progress(sink: &Value) -> (u64, u64, usize) {
    let shards = sink["shards"].as_array().map_or(&[][..], Vec::as_slice);
    let sum = |key: &str| shards.iter().filter_map(|shard| shard[key].as_u64()).sum::<u64>();
    (sum("head_offset"), sum("cursor_offset"), shards.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_shows_what_all_of_them_publish_and_who_is_silent() -> Result<()> {
    let mut cluster = Cluster::start(4, &Config::new().timing("1s", "500ms")).await?;
    for n in 0..RESOURCES {
        let id = format!("push:{n}");
        let body = json!({"type": "SERVICE", "name": id, "check": {"push": {"ttl": "1h"}}});
        cluster.nodes[n % 4].client().put_until_acknowledged(&id, &body, &id, SOON).await?;
    }
    let all = [("n1", Some("ok")), ("n2", Some("ok")), ("n3", Some("ok")), ("n4", Some("ok"))];
    for client in cluster.clients() {
        eventually("a node shows all of it", SOON, async || {
            let sink = sink(&client).await?;
            let (head, cursor, shards) = progress(&sink);
            ensure!(head >= RESOURCES as u64 && cursor == head && shards == 16, "{sink}");
            ensure!(sink["state"] == "ok" && sink["lag_events"] == 0, "{sink}");
            ensure!(states(&sink) == all, "{sink}");
            ensure!(sink["events_per_second"].as_f64() > Some(0.0), "{sink}");
            Ok(())
        })
        .await?;
    }
    cluster.nodes[3].kill()?;
    let client = cluster.nodes[0].client();
    eventually("the node that was killed is silent", SOON, async || {
        let sink = sink(&client).await?;
        ensure!(states(&sink)[3] == ("n4", None), "{sink}");
        ensure!(sink["nodes"][3]["last_error"].is_string() && sink["state"] == "ok", "{sink}");
        Ok(())
    })
    .await?;
    let shown = cluster.nodes[0].cli(&["sinks"])?;
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    ensure!(shown.status.success() && said.contains("n4 does not say how its sinks are"), "{said}");
    Ok(())
}
