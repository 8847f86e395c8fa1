//! The client commands against a server that answers what it is told to.

use crate::support::{Canned, Server, bellwether};
use serde_json::json;

fn row(id: &str, status: &str) -> serde_json::Value {
    json!({"resource_id": id, "resource_type": "HOST", "name": id, "health_status": status,
        "reason": "cpu_usage_percent 91.2 above 85", "health_since": "2026-01-01T00:00:00.000Z",
        "last_updated": "2026-01-01T00:00:00.000Z", "sequence": 2, "labels": {"team": "shop"},
        "metrics": {"cpu_usage_percent": 91.2, "pod_count": null, "extra": {"load1": 3.2}}})
}

const RESOURCES: &str = "/api/v1/infrastructure/resources";

#[test]
fn nobody_there_is_exit_3_and_says_how_to_start_a_node() {
    let run = bellwether(&["get", "--server", "http://127.0.0.1:1"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.is_empty());
    assert!(run.stderr.starts_with("error: no node answers at http://127.0.0.1:1/"), "{run:?}");
    assert!(run.stderr.contains("`bellwether run`"), "{run:?}");
}

#[test]
fn a_list_is_followed_over_its_pages_and_shown_as_a_table() {
    let first = Canned::json(&json!([row("host:a", "HEALTHY")]))
        .header("link", &format!("<{RESOURCES}?limit=5000&continue=x>; rel=\"next\""));
    let server = Server::start(vec![
        (format!("{RESOURCES}?limit=5000"), first),
        (
            format!("{RESOURCES}?limit=5000&continue=x"),
            Canned::json(&json!([row("host:b", "WARNING")])),
        ),
    ]);
    let run = server.run(&["get"]);
    assert_eq!(run.code, 0, "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("ID      TYPE  STATUS   AGE"), "{run:?}");
    assert!(lines[1].starts_with("host:a  HOST  HEALTHY"), "{run:?}");
    assert!(lines[2].ends_with("cpu_usage_percent 91.2 above 85"), "{run:?}");
    assert!(!run.stdout.contains('\u{1b}'));
    assert_eq!(server.run(&["get", "-o", "name"]).stdout, "host:a\nhost:b\n");
    assert_eq!(server.run(&["get", "--exit-status"]).code, 1);
    let json = server.run(&["get", "-o", "json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value, json!([row("host:a", "HEALTHY"), row("host:b", "WARNING")]));
}

#[test]
fn filters_are_sent_as_the_contract_names_them() {
    let path = format!(
        "{RESOURCES}?resource_type=HOST&labels=team%3Dshop&namespace=web&health_status=CRITICAL&limit=5000"
    );
    let server = Server::start(vec![(path, Canned::json(&json!([])))]);
    let run = server.run(&["get", "hosts", "-l", "team=shop", "-n", "web", "--status", "critical"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    assert!(run.stderr.starts_with("no resources"), "{run:?}");
}

#[test]
fn an_unknown_id_names_the_nearest_one() {
    let problem =
        json!({"title": "not found", "status": 404, "detail": "there is no such resource"});
    let server = Server::start(vec![
        (format!("{RESOURCES}/host:n2"), Canned::json(&problem).status(404)),
        (format!("{RESOURCES}?limit=5000"), Canned::json(&json!([row("host:n1", "HEALTHY")]))),
    ]);
    let run = server.run(&["describe", "host:n2"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stderr, "error: there is no resource `host:n2`, did you mean `host:n1`?\n");
}

#[test]
fn a_refusal_is_shown_with_every_bad_field() {
    let problem = json!({"detail": "1 field is wrong", "errors": [{"pointer": "?limit", "detail": "is bad"}]});
    let server =
        Server::start(vec![("/api/v1/sinks".to_owned(), Canned::json(&problem).status(400))]);
    let run = server.run(&["sinks"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, "error: 1 field is wrong\n  ?limit: is bad\n"));
}

#[test]
fn describe_shows_metrics_coverage_and_the_last_events() {
    let event = json!({"type": "io.bellwether.infrastructure.status.updated.v1", "sequence": "2",
        "time": "2026-01-01T00:00:00.000Z", "subject": "host:a", "data": {"infrastructure_status": {
            "resource_id": "host:a", "health_status": "WARNING", "previous_status": "HEALTHY",
            "reason": "cpu"}}});
    let coverage = json!({"from": "f", "to": "t", "expected": 720, "ok": 719, "failed": 0,
        "missed": {"restart": 1}, "uptime_ratio": 0.9986});
    let server = Server::start(vec![
        (format!("{RESOURCES}/host:a"), Canned::json(&row("host:a", "WARNING"))),
        (format!("{RESOURCES}/host:a/events?after=0&limit=10"), Canned::json(&json!([event]))),
        ("/api/v1/coverage?since=1h&resource_id=host%3Aa".to_owned(), Canned::json(&coverage)),
    ]);
    let run = server.run(&["describe", "host:a"]);
    assert_eq!(run.code, 0, "{run:?}");
    for part in [
        "Resource      host:a\n",
        "Status        WARNING for ",
        "Labels        team=shop\n",
        "  cpu_usage_percent  91.2\n",
        "  load1              3.2\n",
        "    restart             1\n",
        "  covered       99.8611 %\n",
        "HEALTHY → WARNING",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is not in\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("pod_count"), "a value that was not measured is no row");
}

#[test]
fn coverage_that_does_not_add_up_is_exit_1() {
    let coverage = |ok: u64| {
        json!({"from": "f", "to": "t", "expected": 10, "ok": ok, "failed": 1,
            "missed": {"restart": 1}, "uptime_ratio": 0.9})
    };
    let path = "/api/v1/coverage?since=1h".to_owned();
    let server = Server::start(vec![(path.clone(), Canned::json(&coverage(8)))]);
    let run = server.run(&["coverage"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("90.0000 %"), "{run:?}");
    let server = Server::start(vec![(path, Canned::json(&coverage(7)))]);
    let run = server.run(&["coverage"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("do not add up"), "{run:?}");
}

#[test]
fn maintenance_is_announced_and_ended() {
    let path = "/api/v1/infrastructure/maintenance/upgrade".to_owned();
    let server = Server::start(vec![(path, Canned::empty(204))]);
    let run = server.run(&["maintenance", "add", "upgrade", "-l", "team=shop", "--for", "2h"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("upgrade is announced until "), "{run:?}");
    assert_eq!(server.run(&["maintenance", "end", "upgrade"]).code, 0);
    let requests = server.requests();
    assert!(requests[0].starts_with("PUT "), "{requests:?}");
    assert!(requests[0].contains("\"selector\":\"team=shop\""), "{requests:?}");
    assert!(requests[1].starts_with("DELETE "), "{requests:?}");
}

#[test]
fn config_diff_and_verify_use_the_nodes_document() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("b.yaml");
    std::fs::write(&file, "node: {name: n1}\nsinks: [{file: {path: e.jsonl}}]\n").unwrap();
    let config = json!({"version": 3, "digest": "sha256:0", "loaded_at": "2026-01-01T00:00:00Z",
        "file": file, "shards": [{"shard": 0, "version": 3}],
        "document": {"node": {"name": "n1"}, "sinks": [{"file": {"path": "e.jsonl"}}]}});
    let server = Server::start(vec![("/api/v1/config".to_owned(), Canned::json(&config))]);
    let run = server.run(&["config", "diff"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    assert!(server.run(&["config", "status"]).stdout.contains("1 of 1 have it"));
    std::fs::write(&file, "node: {name: n2}\nsinks: [{file: {path: e.jsonl}}]\n").unwrap();
    let run = server.run(&["config", "diff"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, "~ node.name: \"n1\" → \"n2\"\n"), "{run:?}");

    let run = server.run(&["events", "verify"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("not on this machine"), "{run:?}");
    std::fs::write(directory.path().join("e.jsonl"), "torn").unwrap();
    let run = server.run(&["events", "verify"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("e.jsonl:1: the last line is torn"), "{run:?}");
}

#[test]
fn a_tail_resumes_after_the_last_event_that_it_showed() {
    let transition = |status: &str| {
        json!({"resource_id": "host:a", "health_status": status,
        "previous_status": "HEALTHY", "reason": "r", "health_since": "2026-01-01T00:00:00.000Z"})
    };
    let first = format!(
        "event: snapshot\ndata: {}\n\nid: c1\nevent: synced\ndata: {{}}\n\nid: c2\nevent: transition\ndata: {}\n\n",
        transition("HEALTHY"),
        transition("WARNING"),
    );
    let second = format!("id: c3\nevent: transition\ndata: {}\n\n", transition("CRITICAL"));
    let watch = "/api/v1/infrastructure/watch".to_owned();
    let server = Server::start(vec![
        (watch.clone(), Canned::events(&first)),
        (watch, Canned::events(&second)),
    ]);
    let mut tail = server.spawn(&["events", "tail", "-o", "json"]);
    let lines = tail.lines(2);
    assert!(
        lines[0].contains("\"WARNING\"") && lines[0].contains("\"cursor\":\"c2\""),
        "{lines:?}"
    );
    assert!(lines[1].contains("\"CRITICAL\""), "{lines:?}");
    let requests = server.requests();
    assert!(!requests[0].to_lowercase().contains("last-event-id"), "{requests:?}");
    assert!(requests[1].to_lowercase().contains("last-event-id: c2\r\n"), "{requests:?}");
    let told = tail.stop();
    assert!(told.contains("trying again in 250 ms") && told.contains("connected again"), "{told}");
}

#[test]
fn a_watch_shows_rows_as_lines() {
    let events = format!(
        "event: snapshot\ndata: {}\n\nid: c1\nevent: synced\ndata: {{}}\n\nid: c2\nevent: removed\ndata: {}\n\n",
        row("host:a", "HEALTHY"),
        row("host:a", "HEALTHY"),
    );
    let server = Server::start(vec![(
        "/api/v1/infrastructure/watch?resource_type=HOST".to_owned(),
        Canned::events(&events),
    )]);
    let mut watch = server.spawn(&["get", "host", "-w"]);
    let lines = watch.lines(2);
    assert!(lines[0].contains("snapshot    HEALTHY      host:a"), "{lines:?}");
    assert!(lines[1].contains("removed     HEALTHY      host:a"), "{lines:?}");
    watch.stop();
}

#[test]
fn events_are_listed_over_pages_up_to_the_limit() {
    let event =
        |sequence: u32| json!({"id": format!("e{sequence}"), "sequence": sequence.to_string()});
    let path = format!("{RESOURCES}/host:a/events");
    let first = Canned::json(&json!([event(1), event(2)]))
        .header("link", &format!("<{path}?after=2&limit=4>; rel=\"next\""));
    let server = Server::start(vec![
        (format!("{path}?after=0&limit=4"), first),
        (format!("{path}?after=2&limit=4"), Canned::json(&json!([event(3), event(4)]))),
    ]);
    let run = server.run(&["events", "list", "host:a", "--limit", "3", "-o", "name"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "e1\ne2\ne3\n"), "{run:?}");
    assert_eq!(run.stderr, "there are newer ones; go on with --after 3, or raise --limit\n");
}
