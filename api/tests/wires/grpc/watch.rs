//! Watches over gRPC, and their cursors over both.

use std::time::Duration;

use bellwether_api::v1::{self, WatchKind};
use prost::Message;
use serde_json::json;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::{Both, as_rest};
use crate::support::{RESOURCES, WATCH};

/// A message as it is on the wire, with the resource read.
#[derive(Debug, Clone)]
struct Told {
    kind: WatchKind,
    cursor: String,
    resource: Option<v1::Resource>,
    previous: v1::HealthStatus,
}

struct Watch(Streaming<bellwether_api::WatchMessage>);

impl Watch {
    async fn open(both: &Both, cursor: &str, labels: &str) -> Result<Self, Status> {
        let filter = v1::ResourceFilter { labels: labels.to_owned(), ..Default::default() };
        let asked = v1::WatchResourcesRequest { cursor: cursor.to_owned(), filter: Some(filter) };
        both.resources().watch_resources(asked).await.map(|answer| Self(answer.into_inner()))
    }

    async fn next(&mut self) -> Result<Told, Status> {
        let message =
            timeout(Duration::from_secs(20), self.0.message()).await.expect("a message")?;
        let message = message.expect("the watch goes on");
        let resource = message.resource.as_ref();
        Ok(Told {
            kind: message.kind(),
            cursor: message.cursor.clone(),
            resource: resource.map(|bytes| v1::Resource::decode(bytes.clone()).unwrap()),
            previous: message.previous_status(),
        })
    }

    /// The next message that is no bookmark.
    async fn told(&mut self) -> Told {
        loop {
            let told = self.next().await.unwrap();
            if told.kind != WatchKind::Bookmark {
                return told;
            }
        }
    }
}

fn what(told: &Told) -> (WatchKind, &str) {
    let id = told.resource.as_ref().map_or("", |resource| resource.resource_id.as_str());
    (told.kind, id)
}

#[tokio::test]
async fn a_watch_shows_what_there_is_and_then_what_changes() {
    let both = Both::start().await;
    for id in ["svc:a", "svc:b"] {
        both.rest.declare(id, json!({})).await;
    }
    let mut watch = Watch::open(&both, "", "").await.unwrap();
    let start = [watch.told().await, watch.told().await, watch.told().await];
    let kinds: Vec<_> = start.iter().map(what).collect();
    assert_eq!(
        kinds,
        [(WatchKind::Snapshot, "svc:a"), (WatchKind::Snapshot, "svc:b"), (WatchKind::Synced, "")]
    );
    assert!(start[0].cursor.is_empty() && !start[2].cursor.is_empty());
    both.rest.report("svc:a", "ok", json!({})).await;
    both.rest.report("svc:a", "critical", json!({"queue": 3})).await;
    let (up, down) = (watch.told().await, watch.told().await);
    assert_eq!(
        (what(&up), what(&down)),
        ((WatchKind::Transition, "svc:a"), (WatchKind::Transition, "svc:a"))
    );
    assert_eq!(down.previous, v1::HealthStatus::Healthy);
    let rest = both.rest.get(&format!("{RESOURCES}/svc:a")).await.json();
    assert_eq!(as_rest(down.resource.as_ref().unwrap()), rest);
}

#[tokio::test]
async fn semantics_13_a_cursor_of_the_one_goes_on_over_the_other() {
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    let mut watch = Watch::open(&both, "", "").await.unwrap();
    let mut cursor = String::new();
    while cursor.is_empty() {
        cursor = watch.told().await.cursor;
    }
    drop(watch);
    both.rest.report("svc:a", "ok", json!({})).await;
    let answer = both.rest.get_with(&format!("{RESOURCES}?limit=1"), &[]).await;
    let listed = answer.header("bellwether-cursor").to_owned();
    both.rest.report("svc:a", "warning", json!({})).await;
    // From where gRPC was, over gRPC: both changes. From where the list was: the second alone.
    let mut first = Watch::open(&both, &cursor, "").await.unwrap();
    let statuses =
        [first.told().await, first.told().await].map(|told| told.resource.unwrap().health_status());
    assert_eq!(statuses, [v1::HealthStatus::Healthy, v1::HealthStatus::Warning]);
    let mut second = Watch::open(&both, &listed, "").await.unwrap();
    let told = second.told().await;
    assert_eq!(told.resource.unwrap().health_status(), v1::HealthStatus::Warning);
    // And its cursor over REST: nothing is left to be told.
    let place = percent(&told.cursor);
    let mut sse =
        crate::watch::Watch::open(&both.rest, &format!("{WATCH}?cursor={place}"), &[]).await;
    both.rest.report("svc:a", "critical", json!({})).await;
    let event = sse.told().await;
    assert_eq!(
        (event.name.as_str(), &event.data["health_status"]),
        ("transition", &json!("CRITICAL"))
    );
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_row_that_leaves_the_filter_is_removed() {
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({"labels": {"team": "shop"}})).await;
    let mut watch = Watch::open(&both, "", "team=shop").await.unwrap();
    assert_eq!(what(&watch.told().await), (WatchKind::Snapshot, "svc:a"));
    assert_eq!(what(&watch.told().await), (WatchKind::Synced, ""));
    both.rest.declare("svc:b", json!({})).await;
    both.rest.declare("svc:a", json!({"labels": {"team": "pay"}})).await;
    assert_eq!(what(&watch.told().await), (WatchKind::Removed, "svc:a"));
}

#[tokio::test]
async fn a_node_that_stops_says_where_to_go_on() {
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    let mut watch = Watch::open(&both, "", "").await.unwrap();
    while watch.told().await.kind != WatchKind::Synced {}
    both.shutdown.cancel();
    let mut last = String::new();
    let end = loop {
        match watch.next().await {
            Ok(told) => last = told.cursor,
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unavailable, "{end}");
    assert!(end.message().contains("last cursor") && !last.is_empty(), "{end}");
    both.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_cursor_that_is_none_or_of_another_cluster_is_refused() {
    let both = Both::start().await;
    let refused = Watch::open(&both, "nonsense", "").await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let foreign = model::cursor::Cursor { cluster_incarnation: 99, ..Default::default() };
    let refused = Watch::open(&both, &foreign.to_string(), "").await.err().unwrap();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
}
