//! A cluster of three as its operator meets it: founded once, joined, drained, shrunk, and not
//! by strangers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellwether_tests::{Cluster, Config, Node, cluster::status, eventually, oracle};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn config() -> Config {
    Config::new().timing("1s", "500ms")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn declare(node: &Node, count: usize) -> Result<()> {
    for n in 0..count {
        let id = format!("push:{n}");
        let body = json!({"type": "SERVICE", "name": id, "check": {"push": {"ttl": "1h"}}});
        node.client().put_until_acknowledged(&id, &body, &id, SOON).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_founded_once_and_answers_at_every_node() -> Result<()> {
    let mut cluster = Cluster::prepare(3, &config())?;
    cluster.nodes[0].start_process()?;
    let first = cluster.nodes[0].client();
    let waits = eventually("a node that waits says so", SOON, async || {
        let answer = first.get("/readyz").await?;
        ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        Ok(answer)
    })
    .await?;
    let detail = waits.json()["detail"].as_str().unwrap_or_default().to_owned();
    ensure!(detail.contains("waits to join") && detail.contains("cluster init"), "{detail}");
    ensure!(first.get("/livez").await?.status.is_success(), "a node that waits lives");

    let early = cluster.nodes[0].cli(&["cluster", "init"])?;
    let said = text(&early.stderr);
    ensure!(
        early.status.code() == Some(1) && said.contains("2 of 3 peers do not answer"),
        "{said}"
    );
    for node in &mut cluster.nodes[1..] {
        node.start_process()?;
    }
    cluster.found().await?;
    cluster.formed().await?;

    for node in &cluster.nodes {
        let again = node.cli(&["cluster", "init"])?;
        let said = text(&again.stderr);
        ensure!(again.status.code() == Some(1) && said.contains("which is founded"), "{said}");
        let shown = node.cli(&["cluster", "status"])?;
        ensure!(shown.status.success(), "{}", text(&shown.stderr));
        let table = text(&shown.stdout);
        // In the order of their ids, which is that in which they joined.
        let meta = table.lines().find(|line| line.starts_with("meta ")).context("no meta")?;
        ensure!(["n1", "n2", "n3"].iter().all(|name| meta.contains(name)), "{table}");
    }
    declare(&cluster.nodes[1], 40).await?;
    for client in cluster.clients() {
        ensure!(client.list("limit=500").await?.len() == 40, "a node shows another list");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_same_name_or_with_anothers_certificate_does_not_get_in() -> Result<()> {
    let mut cluster = Cluster::start(3, &config()).await?;
    cluster.add()?;
    let twin = cluster.membership(3, "n2");
    let mut node = cluster.nodes.pop().context("it was just added")?;
    node.configure(&config().member(twin))?;
    node.start_process()?;
    let client = node.client();
    eventually("the twin is told why it has to wait", SOON, async || {
        let said = client.get("/readyz").await?.text;
        ensure!(
            said.contains("node 2 is named n2 already")
                || said.contains("node 3 is named n2 already"),
            "{said}"
        );
        ensure!(said.contains("bellwether cluster remove"), "{said}");
        Ok(())
    })
    .await?;
    node.kill()?;

    let mut impostor = cluster.membership(3, "n4");
    impostor.name = "n9".to_owned();
    for (from, to) in [("n4.pem", "n9.pem"), ("n4.key", "n9.key")] {
        std::fs::copy(impostor.certificates.join(from), impostor.certificates.join(to))?;
    }
    node.configure(&config().member(impostor))?;
    node.start_process()?;
    eventually("the impostor ends", SOON, async || {
        ensure!(node.log_tail().contains("the certificate of tls.cert_file is for n4"), "not yet");
        Ok(())
    })
    .await?;
    let shown = status(&cluster.nodes[0].client()).await?;
    ensure!(shown["nodes"].as_array().map(Vec::len) == Some(3), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_another_authority_is_refused_and_counted() -> Result<()> {
    let mut ours = Cluster::prepare(1, &config())?;
    let theirs = Cluster::prepare(1, &config())?;
    let mut stranger = theirs.membership(0, "n1");
    stranger.peer.set_port(bellwether_tests::ports::free_port()?);
    stranger.peers = ours.membership(0, "n1").peers;
    let mut alone = ours.membership(0, "n1");
    alone.peers.clear();
    ours.nodes[0].configure(&config().member(alone))?;
    ours.nodes[0].launch().await?;
    let mut node = Node::prepare(&config().member(stranger))?;
    node.start_process()?;
    let (client, first) = (node.client(), ours.nodes[0].client());
    eventually("both sides say why", SOON, async || {
        let said = client.get("/readyz").await?.text;
        ensure!(said.contains("same cluster?"), "{said}");
        let shown = first.get("/metrics").await?.success()?.text;
        let counted = "bellwether_peer_connections_refused_total{reason=\"foreign_authority\"}";
        ensure!(shown.contains(counted), "no {counted}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_holds_nothing_and_one_that_was_removed_stays_out() -> Result<()> {
    let mut cluster = Cluster::start(3, &config()).await?;
    declare(&cluster.nodes[0], 20).await?;
    let blocked = cluster.nodes[0].cli(&["cluster", "drain", "n3"])?;
    let said = text(&blocked.stderr);
    ensure!(blocked.status.code() == Some(1) && said.contains("leads nothing"), "{said}");

    cluster.add()?.launch().await?;
    let drained = cluster.nodes[1].cli(&["cluster", "drain", "n3"])?;
    let said = text(&drained.stderr);
    ensure!(drained.status.success() && said.contains("is drained"), "{said}");
    let removed = cluster.nodes[0].cli(&["cluster", "remove", "n3"])?;
    ensure!(removed.status.success(), "{}", text(&removed.stderr));
    let shown = status(&cluster.nodes[0].client()).await?;
    let names: Vec<&str> = shown["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n["name"].as_str())
        .collect();
    ensure!(names == ["n1", "n2", "n4"], "{names:?}");
    let mut gone = cluster.nodes.remove(2);
    gone.kill()?;
    cluster.formed().await?;

    cluster.nodes[2].kill()?;
    let remove = || cluster.nodes[0].cli(&["cluster", "remove", "n2"]);
    if cluster.leading_most().await? == 1 {
        let said = text(&remove()?.stderr);
        ensure!(said.contains("drain it first: bellwether cluster drain n2"), "{said}");
    }
    cluster.nodes[0].cli(&["cluster", "drain", "n2"])?;
    let last = remove()?;
    let said = text(&last.stderr);
    ensure!(last.status.code() == Some(1) && said.contains("would have no majority"), "{said}");
    let client = cluster.nodes[0].client();
    ensure!(client.list("limit=500").await?.len() == 20, "a resource is missing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_a_node_says_that_it_is_unready_and_how_old_its_answers_are()
-> Result<()> {
    let mut cluster = Cluster::start(3, &config()).await?;
    declare(&cluster.nodes[0], 5).await?;
    cluster.nodes[1].kill()?;
    cluster.nodes[2].kill()?;
    let client = cluster.nodes[0].client();
    eventually("the node turns unready", SOON, async || {
        let answer = client.get("/readyz").await?;
        ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        Ok(())
    })
    .await?;
    let stale =
        client.get("/api/v1/infrastructure/resources?consistency=stale").await?.success()?;
    let told = stale.header("bellwether-consistency").context("no consistency")?;
    let age = told.strip_prefix("stale; age=").and_then(|age| age.strip_suffix("ms"));
    let age: u64 = age.with_context(|| told.to_owned())?.parse()?;
    ensure!(age >= 500, "{told}");
    ensure!(stale.json().as_array().map(Vec::len) == Some(5), "{}", stale.text);
    let fresh = client.get("/api/v1/infrastructure/resources").await?;
    ensure!(fresh.status == StatusCode::SERVICE_UNAVAILABLE, "{}", fresh.text);
    let body = json!({"type": "SERVICE", "name": "x", "check": {"push": {"ttl": "1h"}}});
    let write = client.put("push:late", &body, "late").await?;
    ensure!(write.status == StatusCode::SERVICE_UNAVAILABLE, "{}", write.text);

    cluster.nodes[1].start_process()?;
    eventually("two of three are enough", SOON, async || {
        ensure!(client.is_ready().await, "unready");
        ensure!(client.list("limit=500").await?.len() >= 5, "too few");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_23_a_node_that_stops_in_order_misses_no_slot_and_repeats_no_event() -> Result<()>
{
    let mut cluster = Cluster::start(3, &config()).await?;
    let targets =
        bellwether_tests::targets::Targets::start(bellwether_tests::targets::Protocol::Http, 60)
            .await?;
    let client = cluster.nodes[0].client();
    for n in 0..targets.len() {
        let id = format!("http:{n}");
        let body = json!({"type": "ENDPOINT", "name": id, "check": targets.check(n)});
        client.put_until_acknowledged(&id, &body, &id, SOON).await?;
    }
    let healthy = async |client: &bellwether_tests::Client| -> Result<()> {
        let rows = client.list("health_status=HEALTHY&limit=500").await?;
        ensure!(rows.len() == targets.len(), "{} are healthy", rows.len());
        Ok(())
    };
    eventually("all are healthy", SOON, async || healthy(&client).await).await?;
    // A machine that is short of time may have elected others before; that is not the matter here.
    let (_, before) = cluster.events()?;
    let most = cluster.leading_most().await?;
    let status = cluster.nodes[most].terminate(Duration::from_secs(20)).await?;
    ensure!(status.success(), "{status}");
    let rest = cluster.nodes[(most + 1) % 3].client();
    let ledger = eventually("others watch on", SOON, async || {
        let ledger = oracle::adds_up(&rest.coverage(None).await?)?;
        ensure!(ledger.expected > 20 * 60, "{ledger:?}");
        Ok(ledger)
    })
    .await?;
    ensure!(ledger.missed_total() == 0, "slots were missed: {:?}", ledger.missed);
    let (events, repeats) = cluster.events()?;
    oracle::none("the event files", &events.violations())?;
    ensure!(repeats == before, "the stop has put {} events into two files", repeats - before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_is_asked_wrongly_changes_nothing() -> Result<()> {
    let cluster = Cluster::start(3, &config()).await?;
    let client = cluster.nodes[2].client();
    let post = async |path: &str| client.send(Method::POST, path, &[], None).await;
    for (path, status) in [
        ("/api/v1/cluster/nodes/n7/drain", StatusCode::NOT_FOUND),
        ("/api/v1/cluster/nodes/n7/resume", StatusCode::NOT_FOUND),
        ("/api/v1/cluster/init?alone=perhaps", StatusCode::BAD_REQUEST),
        ("/api/v1/cluster/init", StatusCode::CONFLICT),
    ] {
        let answer = post(path).await?;
        ensure!(answer.status == status, "{path}: {}", answer.text);
        ensure!(answer.json()["detail"].is_string(), "{path}: {}", answer.text);
    }
    let shown = status(&client).await?;
    ensure!(shown["nodes"].as_array().map(Vec::len) == Some(3), "{shown}");
    ensure!(shown["moves"] == Value::Array(Vec::new()), "{shown}");
    Ok(())
}
