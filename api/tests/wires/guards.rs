//! A node that is short of something: what it still answers, and what it says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bellwether_api::Hooks;
use futures_util::future::join_all;
use raft::{Extent, Options};
use serde_json::json;

use crate::support::{App, RESOURCES, WATCH};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_by_507_and_names_the_remedy() {
    let free = Arc::new(AtomicU64::new(500));
    let seen = Arc::clone(&free);
    let gauge = move || Ok(Extent { free: seen.load(SeqCst) << 20, total: 1_000 << 20 });
    let options = Options { disk_gauge: Some(Arc::new(gauge)), ..Options::in_memory("home", 4) };
    let app = App::over(options, Hooks::default()).await;
    assert_eq!(app.declare("a", json!({})).await.status, 201);
    free.store(20, SeqCst);
    while !app.shards.disk_room().unwrap().full {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = app.declare("b", json!({})).await;
    assert_eq!(refused.json()["type"], "urn:bellwether:problem:disk-full");
    let detail = refused.problem(507);
    assert!(detail.contains("20 MiB left") && detail.contains("free space"), "{detail}");
    app.report("a", "ok", json!({})).await.problem(507);
    app.call("DELETE", &format!("{RESOURCES}/a")).await.problem(507);
    assert_eq!(app.get(&format!("{RESOURCES}/a")).await.status, 200, "reads go on");
    assert_eq!(app.get(RESOURCES).await.status, 200);
    free.store(500, SeqCst);
    while app.shards.disk_room().unwrap().full {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(app.declare("b", json!({})).await.status, 201);
}

#[tokio::test]
async fn lists_that_come_at_once_count_together_until_they_are_answered() {
    let most = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&most);
    let shortage = move |expected| {
        seen.fetch_max(expected, SeqCst);
        None
    };
    let hooks = Hooks { short_of_memory: Arc::new(shortage), ..Hooks::default() };
    let app = App::with(hooks).await;
    assert_eq!(app.get(RESOURCES).await.status, 200);
    let one = most.swap(0, SeqCst);
    assert!(one > 0);
    let answers = join_all((0..8).map(|_| app.get(RESOURCES))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(most.swap(0, SeqCst), 8 * one);
    assert_eq!(app.get(RESOURCES).await.status, 200);
    assert_eq!(most.load(SeqCst), one, "those that were answered count no more");
}

#[tokio::test]
async fn short_of_memory_large_reads_are_shed_and_nothing_else() {
    let short = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&short);
    let shortage = move |_| seen.load(SeqCst).then(|| "the node uses 9 MiB of 10".to_owned());
    let hooks = Hooks { short_of_memory: Arc::new(shortage), ..Hooks::default() };
    let app = App::with(hooks).await;
    assert_eq!(app.declare("a", json!({})).await.status, 201);
    let one = format!("{RESOURCES}/a");
    let large = [
        RESOURCES.to_owned(),
        format!("{one}/events"),
        "/api/v1/coverage".to_owned(),
        "/api/v1/infrastructure/clusters/c/health".to_owned(),
        "/metrics/resources".to_owned(),
        WATCH.to_owned(),
    ];
    short.store(true, SeqCst);
    for path in &large {
        let answer = app.get(path).await;
        assert!(answer.problem(503).contains("9 MiB"), "{path}");
        assert_eq!(answer.json()["type"], "urn:bellwether:problem:short-of-memory", "{path}");
    }
    for path in [&one, "/livez", "/readyz", "/metrics", "/api/v1/cluster", "/api/v1/sinks"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    assert_eq!(app.declare("b", json!({})).await.status, 201, "writes go on");
    assert_eq!(app.report("a", "ok", json!({})).await.status, 202);
    short.store(false, SeqCst);
    assert_eq!(app.get(RESOURCES).await.status, 200);
}
