//! Reading and declaring single resources.

use serde_json::{Value, json};

use crate::support::{App, RESOURCES};

#[tokio::test]
async fn a_resource_is_declared_read_and_removed() {
    let app = App::start().await;
    let created = app.declare("svc:a", json!({"labels": {"team": "shop"}})).await;
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.header("location"), format!("{RESOURCES}/svc:a"));
    assert_eq!(created.header("bellwether-consistency"), "linearizable");
    let read = app.get(&format!("{RESOURCES}/svc:a")).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("cache-control"), "no-cache");
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.json(), created.json());
    let removed = app.call("DELETE", &format!("{RESOURCES}/svc:a")).await;
    assert_eq!((removed.status.as_u16(), removed.body.len()), (204, 0));
    app.get(&format!("{RESOURCES}/svc:a")).await.problem(404);
    app.call("DELETE", &format!("{RESOURCES}/svc:a")).await.problem(404);
}

#[tokio::test]
async fn a_row_is_the_contracts() {
    let app = App::start().await;
    app.declare("svc:a", json!({"namespace": "web", "labels": {"team": "shop"}})).await;
    app.report("svc:a", "warning", json!({"cpu_usage_percent": 91.2, "queue": 3})).await;
    let row = app.get(&format!("{RESOURCES}/svc:a")).await.json();
    let keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "resource_id",
        "resource_type",
        "name",
        "namespace",
        "cluster_id",
        "labels",
        "region",
        "health_status",
        "reason",
        "metrics",
        "last_updated",
        "health_since",
        "sequence",
        "incarnation",
        "generation",
        "revision",
        "shard",
        "term",
        "managed_by",
        "check",
        "interval",
        "depends_on",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(row["health_status"], "WARNING");
    assert_eq!(row["namespace"], "web");
    assert_eq!(row["cluster_id"], Value::Null);
    assert_eq!(row["managed_by"], "api");
    assert_eq!(row["check"], json!({"push": {"ttl": "1h"}}));
    assert_eq!(row["sequence"], 2);
    assert!(row["incarnation"].as_str().unwrap().contains('.'));
    assert_eq!(
        row["metrics"],
        json!({"cpu_usage_percent": 91.2, "memory_usage_percent": null,
            "disk_usage_percent": null, "network_io_bytes_per_sec": null, "pod_count": null,
            "ready_replicas": null, "extra": {"queue": 3.0}})
    );
}

#[tokio::test]
async fn semantics_14_a_copy_that_is_up_to_date_is_not_sent_again() {
    let app = App::start().await;
    let path = format!("{RESOURCES}/svc:a");
    let tag = app.declare("svc:a", json!({})).await.header("etag").to_owned();
    let same = app.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
    assert_eq!(same.header("etag"), tag);
    assert_eq!(same.header("bellwether-consistency"), "linearizable");
    app.report("svc:a", "ok", json!({})).await;
    let changed = app.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    // The generation is the same: a write under the older tag still counts.
    let again = crate::support::push_fed("svc:a", json!({"interval": "20s"}));
    let put = app.json("PUT", &path, &[("if-match", &tag)], &again).await;
    assert_eq!(put.status, 200, "{}", put.text());
    app.json("PUT", &path, &[("if-match", &tag)], &again).await.problem(412);
}

#[tokio::test]
async fn a_stale_read_says_so() {
    let app = App::start().await;
    app.declare("svc:a", json!({})).await;
    let stale = app.get(&format!("{RESOURCES}/svc:a?consistency=stale")).await;
    assert!(stale.header("bellwether-consistency").starts_with("stale; age="));
    let head = app.call("HEAD", &format!("{RESOURCES}/svc:a")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert!(head.headers.contains_key("etag"));
}

#[tokio::test]
async fn the_events_of_a_resource_come_in_order_and_in_pages() {
    let app = App::start().await;
    app.declare("svc:a", json!({})).await;
    for outcome in ["ok", "critical", "ok"] {
        assert_eq!(app.report("svc:a", outcome, json!({})).await.status, 202);
    }
    let events = app.get(&format!("{RESOURCES}/svc:a/events")).await;
    let sequences: Vec<String> = events
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["sequence"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sequences, ["1", "2", "3", "4"]);
    assert_eq!(events.json()[0]["type"], "io.bellwether.infrastructure.resource.declared.v1");
    assert!(!events.headers.contains_key("link"));
    let page = app.get(&format!("{RESOURCES}/svc:a/events?limit=3")).await;
    assert_eq!(page.json().as_array().unwrap().len(), 3);
    assert_eq!(
        page.header("link"),
        format!("<{RESOURCES}/svc:a/events?after=3&limit=3>; rel=\"next\"")
    );
    let rest = app.get(&format!("{RESOURCES}/svc:a/events?after=3&limit=3")).await.json();
    assert_eq!(rest.as_array().unwrap().len(), 1);
    app.get(&format!("{RESOURCES}/svc:b/events")).await.problem(404);
    app.get(&format!("{RESOURCES}/svc:a/events?limit=1001")).await.problem(400);
}

#[tokio::test]
async fn semantics_3_what_a_transition_was_decided_from_decides_it_again() {
    let app = App::start().await;
    let limits = json!({"cpu_usage_percent": {"warning": 85, "hysteresis": 5}});
    let declared = app.declare("svc:a", json!({"thresholds": limits, "failures": 3})).await;
    for cpu in [50.0, 91.25, 33.3] {
        app.report("svc:a", "ok", json!({"cpu_usage_percent": cpu, "queue": 7})).await;
    }
    let policy = app.get(&format!("{RESOURCES}/svc:a/policy")).await.json();
    assert_eq!(policy["generation"], declared.json()["generation"]);
    assert_eq!((&policy["failures"], &policy["flapping"]), (&json!(3), &Value::Null));
    assert_eq!(policy["thresholds"]["cpu_usage_percent"]["for"], "0s");
    let rules: model::Policy = serde_json::from_value(policy.clone()).unwrap();

    let path = format!("{RESOURCES}/svc:a/events");
    let plain = app.get(&path).await.json();
    let page = app.get(&format!("{path}?decided_from=true&limit=2")).await;
    let link = format!("<{path}?after=2&limit=2&decided_from=true>; rel=\"next\"");
    assert_eq!(page.header("link"), link);
    let mut events = app.get(&format!("{path}?decided_from=true")).await.json();
    assert_eq!(events[0]["data"]["decided_from"], Value::Null, "a declaration decides nothing");
    for event in &events.as_array().unwrap()[1..] {
        let inputs = event["data"]["decided_from"].clone();
        assert_eq!(inputs["generation"], policy["generation"]);
        let inputs: model::replay::Inputs = serde_json::from_value(inputs).unwrap();
        let decision = inputs.decide(&rules);
        let stored = &event["data"]["infrastructure_status"];
        assert_eq!(stored["health_status"], decision.status.as_str());
        assert_eq!(stored["reason"], decision.reason.as_str());
    }
    for event in events.as_array_mut().unwrap() {
        event["data"].as_object_mut().unwrap().remove("decided_from");
    }
    assert_eq!(events, plain, "nothing else is another");
    app.get(&format!("{path}?decided_from=yes")).await.problem(400);
    app.get(&format!("{RESOURCES}/svc:b/policy")).await.problem(404);
    app.get(&format!("{RESOURCES}/svc:a/policy?x=1")).await.problem(400);
}

#[tokio::test]
async fn a_node_is_found_by_id_and_by_name() {
    let app = App::start().await;
    app.declare("k8s:worker-1", json!({"type": "KUBERNETES_NODE", "name": "worker-1"})).await;
    app.declare("svc:other", json!({"name": "other"})).await;
    app.report("k8s:worker-1", "ok", json!({"memory_usage_percent": 40.5})).await;
    for name in ["k8s:worker-1", "worker-1"] {
        let answer = app.get(&format!("/api/v1/infrastructure/nodes/{name}/metrics")).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.json()["memory_usage_percent"], 40.5);
        assert_eq!(answer.json()["cpu_usage_percent"], Value::Null);
    }
    for name in ["svc:other", "worker", "nobody"] {
        app.get(&format!("/api/v1/infrastructure/nodes/{name}/metrics")).await.problem(404);
    }
}

#[tokio::test]
async fn a_cluster_is_rolled_up_from_its_parts() {
    let app = App::start().await;
    for (id, kind) in
        [("n:1", "KUBERNETES_NODE"), ("n:2", "KUBERNETES_NODE"), ("p:1", "KUBERNETES_POD")]
    {
        app.declare(id, json!({"type": kind, "cluster_id": "prod"})).await;
        app.report(id, if id == "n:2" { "critical" } else { "ok" }, json!({})).await;
    }
    let health = app.get("/api/v1/infrastructure/clusters/prod/health").await;
    assert_eq!(
        health.json(),
        json!({"cluster_id": "prod", "cluster_name": "prod", "overall_health": "WARNING",
            "node_count": 2, "healthy_nodes": 1, "pod_count": 1, "running_pods": 1})
    );
    app.get("/api/v1/infrastructure/clusters/none/health").await.problem(404);
}

#[tokio::test]
async fn coverage_adds_up_and_knows_its_resources() {
    let app = App::start().await;
    app.declare("svc:a", json!({})).await;
    for path in ["/api/v1/coverage", "/api/v1/coverage?since=30d&resource_id=svc:a"] {
        let sums = app.get(path).await.json();
        let missed: u64 =
            sums["missed"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        let count = |name: &str| sums[name].as_u64().unwrap();
        assert_eq!(count("expected"), count("ok") + count("failed") + missed, "{sums}");
        assert!(sums["from"].as_str().unwrap() < sums["to"].as_str().unwrap());
    }
    app.get("/api/v1/coverage?resource_id=svc:b").await.problem(404);
    app.get("/api/v1/coverage?since=31d").await.problem(400);
}
