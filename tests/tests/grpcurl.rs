//! gRPC under a client that others wrote and that knows nothing of us: grpcurl finds every method by
//! reflection, and calls it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{Config, Node, component, control::skip, eventually, ports::free_port};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

/// What each method is sent, and what is in its answer or in the error that it rightly gives. In this
/// order: the later ones ask for what the earlier ones have made.
const CALLS: [(&str, &str, &str); 21] = [
    (
        "ResourceService/PutResource",
        r#"{"resource_id": "svc:a", "if_absent": {}, "declaration":
            {"type": "SERVICE", "name": "a", "labels": {"team": "shop"}, "check": {"push": {"ttl": "1h"}}}}"#,
        r#""created": true"#,
    ),
    (
        "ResourceService/PutResource",
        r#"{"resource_id": "host:n", "declaration":
            {"type": "HOST", "name": "n", "cluster_id": "c", "check": {"push": {"ttl": "1h"}}}}"#,
        r#""resourceId": "host:n""#,
    ),
    (
        "ResourceService/PushObservations",
        r#"{"resource_id": "svc:a", "outcome": "OUTCOME_CRITICAL", "message": "it is down"}
           {"resource_id": "host:n", "outcome": "OUTCOME_OK", "metrics": {"cpu_usage_percent": 12.5}}"#,
        r#""accepted": "2""#,
    ),
    ("ResourceService/GetResource", r#"{"resource_id": "svc:a"}"#, r#""resourceId": "svc:a""#),
    (
        "ResourceService/ListResources",
        r#"{"filter": {"labels": "team=shop"}}"#,
        r#""resourceId": "svc:a""#,
    ),
    ("ResourceService/ListEvents", r#"{"resource_id": "svc:a"}"#, "resource.declared.v1"),
    ("ResourceService/GetResourcePolicy", r#"{"resource_id": "svc:a"}"#, r#""failures""#),
    ("ResourceService/GetNodeMetrics", r#"{"node_id": "host:n"}"#, "12.5"),
    ("ResourceService/WatchResources", "{}", "WATCH_KIND_SYNCED"),
    (
        "MaintenanceService/PutMaintenance",
        r#"{"name": "work", "selector": "team=shop", "ends_at": "2096-10-02T07:06:40Z", "reason": "disk"}"#,
        r#""name": "work""#,
    ),
    ("MaintenanceService/GetMaintenance", r#"{"name": "work"}"#, r#""reason": "disk""#),
    ("MaintenanceService/ListMaintenance", r#"{"page_size": 1}"#, r#""name": "work""#),
    ("MaintenanceService/DeleteMaintenance", r#"{"name": "work"}"#, "{}"),
    ("CoverageService/GetCoverage", r#"{"since": "60s"}"#, r#""from""#),
    ("ClusterService/GetCluster", "{}", r#""nodes""#),
    ("ClusterService/GetClusterHealth", r#"{"cluster_id": "c"}"#, "HEALTH"),
    ("ClusterService/DrainNode", r#"{"node": "none"}"#, "NotFound"),
    ("ClusterService/ResumeNode", r#"{"node": "none"}"#, "NotFound"),
    ("ClusterService/RemoveNode", r#"{"node": "none"}"#, "NotFound"),
    ("ResourceService/DeleteResource", r#"{"resource_id": "svc:a"}"#, "{}"),
    ("ResourceService/GetResource", r#"{"resource_id": "svc:a"}"#, "NotFound"),
];

struct Grpcurl {
    program: PathBuf,
    address: String,
}

impl Grpcurl {
    async fn run(&self, arguments: &[&str], rest: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(["-plaintext", "-max-time", "10"]).args(arguments).arg(&self.address);
        command.args(rest).stdin(Stdio::null());
        // It ends by itself: its time is limited.
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }

    async fn list(&self, what: &[&str]) -> Result<BTreeSet<String>> {
        let listed = self.run(&[], &[&["list"], what].concat()).await?;
        ensure!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        Ok(String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect())
    }

    /// What a call prints, errors included.
    async fn call(&self, method: &str, message: &str) -> Result<String> {
        // A watch goes on until somebody ends it.
        let most = if method.ends_with("WatchResources") { "2" } else { "10" };
        let name = format!("bellwether.v1.{method}");
        let flags = ["-max-time", most, "-d", message];
        let output = self.run(&flags, &[&name]).await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(text(output.stdout) + &text(output.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_finds_every_method_by_reflection_and_calls_it() -> Result<()> {
    let program = match component::find("grpcurl").await {
        Ok(program) => program,
        Err(why) => {
            skip("grpcurl", &why.to_string());
            return Ok(());
        }
    };
    let port = free_port()?;
    let node = Node::start(&Config::new().grpc(port)).await?;
    let grpcurl = Grpcurl { program, address: format!("127.0.0.1:{port}") };
    let services = eventually("gRPC is served", PATIENCE, async || grpcurl.list(&[]).await).await?;
    let ours = services.iter().filter(|name| name.starts_with("bellwether.v1."));
    let mut described = BTreeSet::new();
    for service in ours {
        described.extend(grpcurl.list(&[service]).await?);
    }
    let called =
        CALLS.iter().map(|(method, ..)| format!("bellwether.v1.{}", method.replace('/', ".")));
    assert_eq!(
        described,
        called.collect(),
        "a method that is described is called here, and no other"
    );
    let mut answers = BTreeMap::new();
    for (method, message, expected) in CALLS {
        let answer = grpcurl.call(method, message).await?;
        ensure!(answer.contains(expected), "{method} {message}: {answer}");
        answers.insert(method, answer);
    }
    let watched = answers.get("ResourceService/WatchResources").context("no watch")?;
    ensure!(watched.contains("svc:a") && watched.contains("host:n"), "{watched}");
    let health = grpcurl.run(&["-d", "{}"], &["grpc.health.v1.Health/Check"]).await?;
    ensure!(String::from_utf8_lossy(&health.stdout).contains("SERVING"), "{health:?}");
    // The details of an error are shown as well.
    let refused =
        grpcurl.call("ResourceService/GetResource", r#"{"resource_id": "svc:a"}"#).await?;
    ensure!(refused.contains(r#""reason": "NOT_FOUND""#), "{refused}");
    let row = node.client().get("/api/v1/infrastructure/resources/host:n").await?.json();
    assert_eq!(row["metrics"]["cpu_usage_percent"], json!(12.5));
    Ok(())
}
