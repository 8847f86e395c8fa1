//! `events replay` against a server that answers what it is told to.

use serde_json::{Value, json};

use crate::support::{Canned, Server, bellwether};

const RESOURCES: &str = "/api/v1/infrastructure/resources";
const SINKS: &str = "/api/v1/sinks";

/// A transition to WARNING at 91.2, decided by the declaration of this generation.
fn warned(generation: u64) -> Value {
    let streak = json!({"verdict": "passing", "passed": 1, "failed": 0, "critical": 0, "calm": 1,
        "reason": ""});
    let prior = json!({"beneath": "HEALTHY", "reason": "", "streak": streak, "maintenance": null,
        "thresholds": {}, "flaps": {"raw": "HEALTHY", "changes": [], "held": null}});
    let input = json!({"kind": "observed", "outcome": {"passed": {"message": ""}}, "metrics": {
        "cpu_usage_percent": 91.2, "memory_usage_percent": null, "disk_usage_percent": null,
        "network_io_bytes_per_sec": null, "pod_count": null, "ready_replicas": null, "extra": {}}});
    json!({"id": "e2", "type": "io.bellwether.infrastructure.status.updated.v1", "sequence": "2",
        "subject": "host:a", "time": "2026-01-01T00:00:00.000Z", "data": {
            "decided_from": {"at": 5_000, "generation": generation, "config_version": 0,
                "input": input, "prior": prior},
            "infrastructure_status": {"resource_id": "host:a", "health_status": "WARNING",
                "previous_status": "HEALTHY", "reason": "cpu_usage_percent 91.2 above 85"}}})
}

/// One resource with these events, judged by this limit since generation 7.
fn node(events: &[Value], warning: f64) -> Server {
    let row = json!({"resource_id": "host:a", "sequence": events.len() + 1});
    let policy = json!({"generation": 7, "failures": 2, "successes": 1, "stale_after": "30s",
        "flapping": null, "thresholds": {"cpu_usage_percent": {"warning": warning, "critical": null,
            "direction": "above", "hysteresis": 0.0, "for": "0s"}}});
    let path = format!("{RESOURCES}/host:a");
    Server::start(vec![
        (format!("{RESOURCES}?limit=5000"), Canned::json(&json!([row]))),
        (format!("{RESOURCES}?labels=team%3Dshop&limit=5000"), Canned::json(&json!([]))),
        (path.clone(), Canned::json(&row)),
        (
            format!("{path}/events?after=1&limit=1000&decided_from=true"),
            Canned::json(&json!(events)),
        ),
        (
            format!("{path}/events?after=2&limit=1&decided_from=true"),
            Canned::json(&json!(events[events.len() - 1..])),
        ),
        (format!("{path}/policy"), Canned::json(&policy)),
    ])
}

#[test]
fn by_the_policy_in_force_every_transition_is_decided_as_it_was() {
    let server = node(&[warned(6), warned(7)], 85.0);
    let run = server.run(&["events", "replay"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    assert_eq!(
        run.stderr,
        "none of 2 transitions of 1 resource would differ; 1 cannot be decided again: \
         1 was decided by an earlier declaration, whose policy is not stored\n"
    );
    let run = server.run(&["events", "replay", "host:a", "--limit", "1", "-o", "json"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "[]\n"), "{run:?}");
    assert_eq!(run.stderr, "none of 1 transition of 1 resource would differ\n");
    let run = server.run(&["events", "replay", "--since", "2026-06-01T00:00:00Z"]);
    assert_eq!(run.stderr, "none of 0 transitions of 1 resource would differ\n", "{run:?}");
    let run = server.run(&["events", "replay", "-l", "team=shop"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
}

#[test]
fn a_decision_that_comes_out_otherwise_is_exit_1_and_is_named() {
    let server = node(&[warned(7)], 95.0);
    let run = server.run(&["events", "replay"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.starts_with("TIME "), "{run:?}");
    assert!(
        run.stderr.contains("error: event 2 of host:a at 2026-01-01T00:00:00.000Z was decided as"),
        "{run:?}"
    );
}

#[test]
fn candidate_thresholds_show_what_they_would_have_decided() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "thresholds: { cpu_usage_percent: { warning: 95 } }\n").unwrap();
    let server = node(&[warned(6)], 85.0);
    let run = server.run(&["events", "replay", "--thresholds", path]);
    assert_eq!(run.code, 0, "what differs is the answer: {run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "TIME                      RESOURCE  BEFORE   DECIDED  WOULD BE  REASON                           REASON IT WOULD HAVE"
    );
    assert_eq!(
        lines[1],
        "2026-01-01T00:00:00.000Z  host:a    HEALTHY  WARNING  HEALTHY   cpu_usage_percent 91.2 above 85  -"
    );
    assert_eq!(run.stderr, "1 of 1 transition of 1 resource would differ\n");
    let run = server.run(&["events", "replay", "--thresholds", path, "-o", "name"]);
    assert_eq!(run.stdout, "e2\n");
    let run = server.run(&["events", "replay", "--thresholds", path, "-o", "json"]);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(found[0]["would_be"]["health_status"], "HEALTHY");
    assert_eq!(found[0]["would_be"]["transition"], false);

    std::fs::write(&file, "thresholds: { cpu_usage_percent: { warn: 95 } }\n").unwrap();
    let run = server.run(&["events", "replay", "--thresholds", path]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("t.yaml:1: thresholds.cpu_usage_percent.warn: unknown key `warn`"));
}

#[test]
fn what_contradicts_itself_is_exit_2_and_nobody_there_is_exit_3() {
    let replay = |rest: &[&str]| {
        let run =
            bellwether(&[&["events", "replay", "--server", "http://127.0.0.1:1"], rest].concat());
        (run.code, run.stderr)
    };
    assert_eq!(replay(&["--sink", "pulsar", "host:a"]).0, 2);
    let (code, told) = replay(&["--sink", "pulsar", "--from", "oldest", "--from", "3:7"]);
    assert_eq!(
        (code, told.as_str()),
        (2, "error: --from oldest is of all shards, and stands alone\n")
    );
    assert_eq!(replay(&[]).0, 3);
    assert_eq!(replay(&["--sink", "pulsar", "--yes"]).0, 3);
}

fn sink(cursor: u64, state: &str, error: &Value) -> (String, Canned) {
    let shard = json!({"shard": 0, "cursor_offset": cursor, "head_offset": 20});
    let sink = json!([{"name": "pulsar", "kind": "pulsar", "state": state, "last_error": error,
        "lag_events": 20 - cursor, "shards": [shard]}]);
    (SINKS.to_owned(), Canned::json(&sink))
}

#[test]
fn a_sink_is_sent_events_again_and_followed_until_it_has_them() {
    let reset = |to: &str| {
        let done = Canned::json(&json!([{"shard": 0, "cursor_offset": 0}]));
        (format!("{SINKS}/pulsar/reset?to={to}"), done)
    };
    let server = Server::start(vec![
        sink(20, "ok", &Value::Null),
        reset("oldest"),
        sink(5, "retrying", &json!("no broker answers")),
        sink(20, "ok", &Value::Null),
    ]);
    let run = server.run(&["events", "replay", "--sink", "pulsar", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout, "SHARD  GOES ON WITH\n0      1\n");
    assert_eq!(
        run.stderr,
        "5 of 20 events are acknowledged (25.0000 %)\n\
         pulsar is retrying: no broker answers\n\
         20 of 20 events are acknowledged (100 %)\n\
         pulsar has all of it\n"
    );
    let run = server.run(&["events", "replay", "--sink", "pulsar", "--from", "0:22", "--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("would never be sent what lies between"), "{run:?}");
    let run = server.run(&["events", "replay", "--sink", "pulsar"]);
    assert!(run.code == 1 && run.stderr.contains("say --yes"), "{run:?}");
}
