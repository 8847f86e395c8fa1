//! Watches: snapshot, changes, resuming, filters, ends.

use std::{collections::BTreeMap, time::Duration};

use axum::body::BodyDataStream;
use bellwether_api::{Hooks, Limits};
use futures_util::StreamExt;
use model::cursor::Cursor;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::support::{App, RESOURCES, WATCH, request};

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: String,
    id: Option<String>,
    pub(crate) data: Value,
}

pub(crate) struct Watch {
    body: BodyDataStream,
    text: String,
}

impl Watch {
    pub(crate) async fn open(app: &App, path: &str, headers: &[(&str, &str)]) -> Self {
        let response = app.router.clone().oneshot(request("GET", path, headers)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"));
        assert!(response.headers().contains_key("x-request-id"));
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` at the end. Comments and `retry` are passed over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = timeout(Duration::from_secs(20), self.body.next()).await.expect("a frame");
            self.text.push_str(std::str::from_utf8(&chunk?.unwrap()).unwrap());
        }
    }

    /// The next event that is no bookmark.
    pub(crate) async fn told(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the watch goes on");
            if event.name != "bookmark" {
                return event;
            }
        }
    }

    async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.expect("the watch goes on");
            let last = event.name == name;
            events.push(event);
            if last {
                return events;
            }
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let fields: BTreeMap<&str, &str> =
        block.lines().filter_map(|line| line.split_once(": ")).collect();
    let data = fields.get("data")?;
    Some(Event {
        name: (*fields.get("event")?).to_owned(),
        id: fields.get("id").map(|id| (*id).to_owned()),
        data: serde_json::from_str(data).unwrap(),
    })
}

fn what(event: &Event) -> (&str, &str) {
    (event.name.as_str(), event.data["resource_id"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_watch_shows_what_there_is_and_then_what_changes() {
    let app = App::start().await;
    for id in ["svc:a", "svc:b"] {
        app.declare(id, json!({})).await;
    }
    let mut watch = Watch::open(&app, WATCH, &[("accept-encoding", "gzip")]).await;
    let start = watch.until("synced").await;
    let names: Vec<_> = start.iter().map(what).collect();
    assert_eq!(names, [("snapshot", "svc:a"), ("snapshot", "svc:b"), ("synced", "")]);
    assert!(start[0].id.is_none() && start[2].id.is_some());
    assert_eq!(start[2].data["cursor"].as_str(), start[2].id.as_deref());
    app.declare("svc:c", json!({})).await;
    app.report("svc:c", "critical", json!({})).await;
    app.report("svc:c", "critical", json!({"queue": 1})).await;
    app.call("DELETE", &format!("{RESOURCES}/svc:c")).await;
    assert_eq!(what(&watch.told().await), ("declared", "svc:c"));
    let transition = watch.told().await;
    assert_eq!(what(&transition), ("transition", "svc:c"));
    assert_eq!(transition.data["health_status"], "CRITICAL");
    assert_eq!(transition.data["previous_status"], "UNKNOWN");
    let mut last = watch.told().await;
    // `updated` is coalesced: it may be gone by the time that the removal is told.
    if last.name == "updated" {
        assert!(last.data.get("previous_status").is_none());
        last = watch.told().await;
    }
    assert_eq!(what(&last), ("removed", "svc:c"));
    assert!(last.data["incarnation"].is_string());
}

#[tokio::test]
async fn semantics_13_a_watch_resumes_from_any_id_without_loss_or_repeat() {
    let app = App::start().await;
    let cursor = app.get(RESOURCES).await.header("bellwether-cursor").to_owned();
    let mut expected = Vec::new();
    for n in 0..12 {
        let id = format!("svc:{n}");
        app.declare(&id, json!({})).await;
        app.report(&id, "ok", json!({})).await;
        expected.push(("declared".to_owned(), id.clone()));
        expected.push(("transition".to_owned(), id));
    }
    expected.sort();
    let mut watch = Watch::open(&app, &format!("{WATCH}?cursor={cursor}"), &[]).await;
    let all = watch.until("bookmark").await;
    let told = |events: &[Event]| {
        let changes = events.iter().filter(|event| event.name != "bookmark");
        let pair = |event: &Event| (what(event).0.to_owned(), what(event).1.to_owned());
        let mut pairs: Vec<_> = changes.map(pair).collect();
        pairs.sort();
        pairs
    };
    assert_eq!(told(&all), expected);
    for cut in 0..all.len() {
        let id = all[cut].id.clone().expect("every change has an id");
        let mut rest = Watch::open(&app, WATCH, &[("last-event-id", &id)]).await;
        let mut together = all[..=cut].to_vec();
        together.extend(rest.until("bookmark").await);
        assert_eq!(told(&together), expected, "resumed after {cut}");
    }
}

#[tokio::test]
async fn a_list_and_a_watch_from_its_cursor_make_the_whole_picture() {
    let app = App::start().await;
    app.declare("svc:a", json!({})).await;
    let list = app.get(RESOURCES).await;
    let cursor = list.header("bellwether-cursor");
    app.report("svc:a", "ok", json!({})).await;
    let mut watch = Watch::open(&app, &format!("{WATCH}?cursor={cursor}"), &[]).await;
    let first = watch.next().await.unwrap();
    assert_eq!(what(&first), ("transition", "svc:a"));
    assert_eq!(watch.next().await.unwrap().name, "bookmark");
    // Last-Event-ID wins over the cursor.
    let id = first.id.unwrap();
    let path = format!("{WATCH}?cursor={cursor}");
    let mut later = Watch::open(&app, &path, &[("last-event-id", &id)]).await;
    assert_eq!(later.next().await.unwrap().name, "bookmark");
}

#[tokio::test]
async fn semantics_13_a_row_that_leaves_the_filter_is_removed_and_one_that_enters_it_comes() {
    let app = App::start().await;
    app.declare("svc:a", json!({"labels": {"team": "shop"}})).await;
    app.declare("svc:b", json!({})).await;
    let mut watch = Watch::open(&app, &format!("{WATCH}?labels=team%3Dshop"), &[]).await;
    let start = watch.until("synced").await;
    assert_eq!(start.len(), 2, "svc:b does not match");
    app.report("svc:b", "ok", json!({})).await;
    app.declare("svc:a", json!({"labels": {"team": "food"}})).await;
    let left = watch.told().await;
    assert_eq!(what(&left), ("removed", "svc:a"));
    assert_eq!(left.data["labels"], json!({"team": "food"}));
    app.report("svc:a", "ok", json!({})).await;
    app.declare("svc:b", json!({"labels": {"team": "shop"}})).await;
    assert_eq!(what(&watch.told().await), ("declared", "svc:b"));

    let mut sick = Watch::open(&app, &format!("{WATCH}?health_status=CRITICAL"), &[]).await;
    assert_eq!(sick.until("synced").await.len(), 1);
    app.report("svc:b", "critical", json!({})).await;
    assert_eq!(what(&sick.told().await), ("transition", "svc:b"));
    app.report("svc:b", "ok", json!({})).await;
    assert_eq!(what(&sick.told().await), ("removed", "svc:b"));
}

#[tokio::test]
async fn a_cursor_of_another_cluster_is_gone() {
    let app = App::start().await;
    let foreign = Cursor { cluster_incarnation: 99, ..app.shards.cursor() };
    let detail = app.get(&format!("{WATCH}?cursor={foreign}")).await.problem(410);
    assert!(detail.contains("another cluster"), "{detail}");
    let headers = [("last-event-id", foreign.to_string())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    app.get_with(WATCH, &headers).await.problem(410);
    let mut ahead = app.shards.cursor();
    ahead.shards.values_mut().for_each(|position| position.index += 1_000_000);
    app.get(&format!("{WATCH}?cursor={ahead}")).await.problem(410);
}

#[tokio::test]
async fn an_idle_watch_is_told_where_it_is() {
    let app = App::start().await;
    let mut watch = Watch::open(&app, WATCH, &[]).await;
    watch.until("synced").await;
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark.name, "bookmark");
    let mut resumed = Watch::open(&app, WATCH, &[("last-event-id", &bookmark.id.unwrap())]).await;
    assert_eq!(resumed.next().await.unwrap().name, "bookmark");
}

#[tokio::test]
async fn a_node_that_stops_ends_its_watches_with_a_bookmark() {
    let app = App::start().await;
    let mut watch = Watch::open(&app, WATCH, &[]).await;
    watch.until("synced").await;
    app.hooks.shutdown.cancel();
    let mut last = None;
    while let Some(event) = watch.next().await {
        last = Some(event);
    }
    let last = last.unwrap();
    assert!(last.name == "bookmark" && last.id.is_some(), "{last:?}");
    app.get(WATCH).await.problem(503);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_and_can_come_back() {
    let limits = Limits { watch_patience: Duration::from_millis(100), ..Limits::default() };
    let app = App::with(Hooks { limits, ..Hooks::default() }).await;
    let mut watch = Watch::open(&app, WATCH, &[]).await;
    let synced = watch.until("synced").await.pop().unwrap();
    // More than 256 KiB long before these are told.
    app.declare("svc:a", large()).await;
    for n in 0..60 {
        let outcome = if n % 2 == 0 { "ok" } else { "critical" };
        assert_eq!(app.report("svc:a", outcome, json!({})).await.status, 202);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut names = Vec::new();
    while let Some(event) = watch.next().await {
        names.push(event.name);
    }
    assert_eq!(names.last().map(String::as_str), Some("overflow"), "{names:?}");
    assert!(names.len() < 60, "what was not taken is not kept");
    let mut again = Watch::open(&app, WATCH, &[("last-event-id", &synced.id.unwrap())]).await;
    let rest = again.until("bookmark").await;
    assert_eq!(rest.iter().filter(|event| event.name == "transition").count(), 60);
}

/// What makes a row of some 20 kB.
fn large() -> Value {
    let labels: BTreeMap<String, String> =
        (0..60).map(|n| (format!("l{n}-{}", "k".repeat(240)), "v".repeat(60))).collect();
    json!({"labels": labels})
}

async fn declare_many_at_once(app: &App) {
    let ids: Vec<String> = (0..40).map(|n| format!("svc:{n}")).collect();
    let declared = ids.iter().map(|id| app.declare(id, large()));
    for answer in futures_util::future::join_all(declared).await {
        assert_eq!(answer.status, 201);
    }
}

#[tokio::test]
async fn a_client_that_is_slow_to_take_the_rows_is_not_cut_off() {
    let limits = Limits { watch_patience: Duration::from_millis(10), ..Limits::default() };
    let app = App::with(Hooks { limits, ..Hooks::default() }).await;
    declare_many_at_once(&app).await;
    let mut watch = Watch::open(&app, WATCH, &[]).await;
    let mut rows = 0;
    while watch.next().await.unwrap().name != "synced" {
        rows += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rows, 40);
}

#[tokio::test]
async fn a_client_that_was_late_and_is_level_again_is_not_cut_off_by_what_comes_then() {
    let limits = Limits { watch_patience: Duration::from_millis(10), ..Limits::default() };
    // Of one shard, so that they come with one entry, or two.
    let hooks = Hooks { limits, ..Hooks::default() };
    let app = App::over(raft::Options::in_memory("home", 1), hooks).await;
    let mut watch = Watch::open(&app, WATCH, &[]).await;
    watch.until("synced").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let told = async {
        for _ in 0..40 {
            assert_eq!(watch.told().await.name, "declared");
        }
    };
    // The watch waits before the first is declared.
    tokio::join!(told, declare_many_at_once(&app));
}

#[tokio::test]
async fn watches_are_counted_and_given_back() {
    let limits = Limits { watches: 1, ..Limits::default() };
    let app = App::with(Hooks { limits, ..Hooks::default() }).await;
    let watch = Watch::open(&app, WATCH, &[]).await;
    app.get(WATCH).await.problem(429);
    assert!(app.get("/metrics").await.text().contains("\nbellwether_watches 1\n"));
    drop(watch);
    let mut again = Watch::open(&app, WATCH, &[]).await;
    again.until("synced").await;
}
