//! Health, reload, cluster, sinks, configuration.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bellwether_api::{Hooks, ReadinessCheck};
use raft::{SinkHealth, SinkState};
use serde_json::{Value, json};

use crate::support::App;

fn switch(on: &Arc<AtomicBool>) -> Hooks {
    let on = Arc::clone(on);
    let readiness = move || {
        vec![ReadinessCheck {
            name: "probes".to_owned(),
            ok: on.load(Ordering::Relaxed),
            required: true,
            detail: "are started".to_owned(),
        }]
    };
    Hooks { readiness: Arc::new(readiness), ..Hooks::default() }
}

#[tokio::test]
async fn semantics_16_the_node_is_ready_once_all_it_needs_is() {
    let on = Arc::new(AtomicBool::new(false));
    let app = App::with(switch(&on)).await;
    for path in ["/livez", "/-/healthy"] {
        assert_eq!(app.get(path).await.text(), "ok\n");
    }
    for path in ["/readyz", "/-/ready", "/startupz"] {
        assert!(app.get(path).await.problem(503).contains("[-] probes: are started"));
    }
    on.store(true, Ordering::Relaxed);
    for path in ["/readyz", "/-/ready", "/startupz"] {
        assert_eq!(app.get(path).await.status, 200);
    }
    let listed = app.get("/readyz?verbose").await.text();
    assert!(listed.contains("[+] quorum") && listed.contains("[+] probes"), "{listed}");
    on.store(false, Ordering::Relaxed);
    assert_eq!(app.get("/readyz").await.status, 503);
    assert_eq!(app.get("/startupz").await.status, 200, "it has started");
}

#[tokio::test]
async fn a_node_that_stops_is_alive_and_not_ready() {
    let app = App::start().await;
    assert_eq!(app.get("/readyz").await.status, 200);
    app.hooks.shutdown.cancel();
    assert!(app.get("/readyz").await.problem(503).contains("the node is stopping"));
    assert_eq!(app.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_bad_reload_is_refused_with_its_reasons() {
    let good = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&good);
    let reload = move || -> futures_util::future::BoxFuture<'static, _> {
        let good = seen.load(Ordering::Relaxed);
        Box::pin(async move {
            if good {
                Ok(())
            } else {
                Err(vec!["a.yaml:3: bad".to_owned(), "b.yaml:9: worse".to_owned()])
            }
        })
    };
    let app = App::with(Hooks { reload: Arc::new(reload), ..Hooks::default() }).await;
    let done = app.call("POST", "/-/reload").await;
    assert_eq!((done.status.as_u16(), done.json()), (200, json!({"reloaded": true})));
    good.store(false, Ordering::Relaxed);
    let refused = app.call("POST", "/-/reload").await;
    assert!(refused.problem(422).contains("old one stays in force"));
    assert_eq!(refused.json()["errors"][1]["detail"], "b.yaml:9: worse");
}

#[tokio::test]
async fn the_cluster_is_shown_as_the_node_sees_it() {
    let app = App::start().await;
    app.declare("svc:a", json!({})).await;
    let cluster = app.get("/api/v1/cluster").await.json();
    assert_eq!(cluster["name"], "home");
    let [node] = &cluster["nodes"].as_array().unwrap()[..] else { panic!("{cluster}") };
    assert_eq!(node["node_id"], cluster["node_id"]);
    assert_eq!((&node["replicas"], &node["leads"]), (&json!(4), &json!(4)));
    assert_eq!((&node["standing"], &node["error"]), (&json!("active"), &json!(null)));
    let shards = cluster["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 4);
    assert!(shards.iter().all(|shard| shard["leader"] == cluster["node_id"]));
    let resources: u64 = shards.iter().filter_map(|shard| shard["resources"].as_u64()).sum();
    assert_eq!(resources, 1);
}

fn sink(name: &str, can_be_reset: bool) -> SinkHealth {
    SinkHealth {
        name: name.to_owned(),
        kind: name.to_owned(),
        can_be_reset,
        state: SinkState::Ok,
        last_error: None,
        last_minute: 0,
    }
}

#[tokio::test]
async fn sinks_and_configuration_are_shown() {
    let app = App::start().await;
    let last_error = Some("disk full".to_owned());
    let state = SinkState::Retrying;
    let sink = SinkHealth { last_error, state, last_minute: 90, ..sink("file", false) };
    app.shards.lend_sinks(Box::new(move || vec![sink.clone()]));
    let sinks = app.get("/api/v1/sinks").await.json();
    assert_eq!(
        sinks,
        json!([{"name": "file", "kind": "file", "state": "retrying", "lag_events": 0,
            "events_per_second": 1.5, "last_error": "disk full", "shards": [],
            "nodes": [{"node": "node 1", "state": "retrying", "events_per_second": 1.5,
                "last_error": "disk full"}]}])
    );
    let config = app.get("/api/v1/config").await.json();
    assert_eq!((&config["version"], &config["document"]), (&json!(0), &Value::Null));
    assert_eq!(config["shards"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_sink_is_reset_where_it_can_be() {
    let app = App::start().await;
    app.shards.lend_sinks(Box::new(|| vec![sink("file", false), sink("pulsar", true)]));
    for id in ["svc:a", "svc:b", "svc:c", "svc:d", "svc:e"] {
        app.declare(id, json!({})).await;
    }
    let reset = async |sink: &str, to: &str| {
        app.call("POST", &format!("/api/v1/sinks/{sink}/reset{to}")).await
    };
    let latest = reset("pulsar", "?to=latest").await;
    assert_eq!(latest.status, 200, "{}", latest.text());
    let shards = latest.json();
    let acknowledged = shards.as_array().unwrap().iter().map(|shard| &shard["cursor_offset"]);
    assert_eq!(acknowledged.filter_map(Value::as_u64).sum::<u64>(), 5);
    let shown = app.get("/api/v1/sinks").await.json();
    assert_eq!((&shown[1]["name"], &shown[1]["lag_events"]), (&json!("pulsar"), &json!(0)));
    let oldest = reset("pulsar", "?to=oldest").await.json();
    assert!(oldest.as_array().unwrap().iter().all(|shard| shard["cursor_offset"] == 0));
    assert_eq!(app.get("/api/v1/sinks").await.json()[1]["lag_events"], 5);
    let one = reset("pulsar", "?to=2:1").await.json();
    assert_eq!(one, json!([{"shard": 2, "cursor_offset": 0}]));

    assert!(reset("pulsar", "?to=2:9000").await.problem(409).contains("or `latest`"));
    assert!(reset("file", "?to=oldest").await.problem(409).contains("move what it has written"));
    assert!(reset("pulser", "?to=oldest").await.problem(404).contains("did you mean `pulsar`"));
    assert!(reset("pulsar", "?to=9:1").await.problem(404).contains("they are 0 to 3"));
    for (bad, why) in [
        ("", "SHARD:OFFSET"),
        ("?to=never", "SHARD:OFFSET"),
        ("?to=2:0", "SHARD:OFFSET"),
        ("?to=oldest&to=latest", "given twice"),
        ("?from=oldest", "unknown parameter `from`"),
    ] {
        let said = reset("pulsar", bad).await.problem(400);
        assert!(said.contains(why), "{bad}: {said}");
    }
}
