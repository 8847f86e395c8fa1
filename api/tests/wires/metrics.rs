//! What Prometheus reads.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::App;

/// Checks what OpenMetrics asks of every exposition: one block per family, each with its type,
/// and the end mark last.
#[track_caller]
fn check(text: &str) {
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1);
    let (mut seen, mut current) = (BTreeSet::new(), String::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap().to_owned();
            assert!(seen.insert(current.clone()), "{current} comes twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&current), "{line} stands in the block of {current}");
        }
    }
}

#[tokio::test]
async fn the_nodes_own_figures_are_there() {
    let app = App::start().await;
    app.declare("svc:a", json!({})).await;
    app.get("/nowhere").await.problem(404);
    let answer = app.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = answer.text();
    for line in [
        "bellwether_resources{resource_type=\"SERVICE\",health_status=\"UNKNOWN\"} 1",
        "bellwether_resources{resource_type=\"SERVICE\",health_status=\"CRITICAL\"} 0",
        "bellwether_outbox_length 1",
        "bellwether_raft_leader{shard=\"0\"} 1",
        "bellwether_watches 0",
        "bellwether_http_requests_total{route=\"unmatched\",code=\"404\"} 1",
        "bellwether_http_requests_total{route=\"/api/v1/infrastructure/resources/{id}\",code=\"201\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    for family in
        ["bellwether_raft_term", "bellwether_raft_commit_index", "bellwether_raft_apply_lag"]
    {
        assert!(text.contains(&format!("\n{family}{{shard=\"3\"}} ")), "{family} is missing");
    }
    check(&text);
}

#[tokio::test]
async fn every_resource_is_a_state_set_with_its_measurements() {
    let app = App::start().await;
    for n in 0..7 {
        app.declare(&format!("svc:{n}"), json!({"name": "a \"quoted\\ name"})).await;
        app.report(&format!("svc:{n}"), "ok", json!({"cpu_usage_percent": 0.5, "queue": n})).await;
    }
    let text = app.get("/metrics/resources").await.text();
    check(&text);
    let healthy = "bellwether_resource_health{resource_id=\"svc:3\",resource_type=\"SERVICE\",\
                   name=\"a \\\"quoted\\\\ name\",namespace=\"\",cluster_id=\"\",region=\"\",\
                   bellwether_resource_health=\"HEALTHY\"} 1";
    assert!(text.contains(healthy), "{text}");
    assert_eq!(text.matches("bellwether_resource_health{").count(), 7 * 5);
    let queue = "bellwether_resource_metric{resource_id=\"svc:3\",resource_type=\"SERVICE\",metric=\"queue\"} 3";
    assert!(text.contains(queue), "{text}");
    assert_eq!(text.matches("bellwether_resource_metric{").count(), 7 * 2);
    let none = app.get("/metrics/resources?namespace=none").await.text();
    check(&none);
}

#[tokio::test]
async fn a_long_export_comes_page_by_page_and_whole() {
    let limits = bellwether_api::Limits { list_default: 3, ..bellwether_api::Limits::default() };
    let hooks = bellwether_api::Hooks { limits, ..bellwether_api::Hooks::default() };
    let app = App::with(hooks).await;
    for n in 0..10 {
        app.declare(&format!("svc:{n}"), json!({})).await;
        app.report(&format!("svc:{n}"), "ok", json!({"queue": n})).await;
    }
    let text = app.get("/metrics/resources").await.text();
    check(&text);
    for n in 0..10 {
        assert_eq!(text.matches(&format!("resource_id=\"svc:{n}\"")).count(), 6);
    }
}
