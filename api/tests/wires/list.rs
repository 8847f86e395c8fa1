//! Lists: filters, pages, cursors, compression.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Answer, App, RESOURCES};

fn ids(answer: &Answer) -> Vec<String> {
    let rows = answer.json();
    let ids = rows.as_array().unwrap().iter().map(|row| row["resource_id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    let (url, rel) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rel, "; rel=\"next\"");
    Some(url.to_owned())
}

async fn fleet(app: &App, size: usize) -> BTreeSet<String> {
    for n in 0..size {
        let labels = json!({"labels": {"parity": if n % 2 == 0 { "even" } else { "odd" }}});
        assert_eq!(app.declare(&format!("svc:{n:03}"), labels).await.status, 201);
    }
    (0..size).map(|n| format!("svc:{n:03}")).collect()
}

#[tokio::test]
async fn pages_give_every_row_once_in_order_and_one_cursor() {
    let app = App::start().await;
    let all = fleet(&app, 23).await;
    let mut path = format!("{RESOURCES}?limit=5&consistency=linearizable");
    let (mut found, mut cursors) = (Vec::new(), BTreeSet::new());
    loop {
        let page = app.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(ids(&page).len() <= 5);
        found.extend(ids(&page));
        cursors.insert(page.header("bellwether-cursor").to_owned());
        // A row that comes while pages are read must not move their cursor.
        app.declare(&format!("zzz:{}", found.len()), json!({"type": "HOST"})).await;
        match next(&page) {
            Some(next) => path = next,
            None => break,
        }
    }
    let services: Vec<String> = found.iter().filter(|id| id.starts_with("svc:")).cloned().collect();
    assert_eq!(services, all.into_iter().collect::<Vec<_>>());
    assert!(found.is_sorted());
    assert_eq!(cursors.len(), 1, "every page has the first one's cursor");
}

#[tokio::test]
async fn filters_hold_together() {
    let app = App::start().await;
    fleet(&app, 6).await;
    app.configure("host:n1").await;
    app.declare("svc:warn", json!({"namespace": "web", "region": "eu-1", "cluster_id": "c1"}))
        .await;
    app.report("svc:warn", "warning", json!({})).await;
    for (query, expected) in [
        ("labels=parity%3Deven", vec!["svc:000", "svc:002", "svc:004"]),
        ("labels=parity%20in%20(odd),!x&name=svc:00", vec!["svc:001", "svc:003", "svc:005"]),
        ("health_status=WARNING", vec!["svc:warn"]),
        ("namespace=web&region=eu-1&cluster_id=c1", vec!["svc:warn"]),
        ("managed_by=config", vec!["host:n1"]),
        ("resource_type=host", vec!["host:n1"]),
        ("resource_type=HOST&managed_by=api", vec![]),
    ] {
        let answer = app.get(&format!("{RESOURCES}?{query}")).await;
        assert_eq!(ids(&answer), expected, "{query}");
        assert_eq!(next(&answer), None, "{query}");
    }
}

#[tokio::test]
async fn an_empty_list_is_an_empty_array() {
    let app = App::start().await;
    let answer = app.get(RESOURCES).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!([])));
    assert!(!answer.header("bellwether-cursor").is_empty());
    assert!(!answer.headers.contains_key("bellwether-missing-shards"));
}

#[tokio::test]
async fn a_page_of_many_pieces_has_every_row() {
    let app = App::start().await;
    let labels: BTreeMap<String, String> =
        (0..16).map(|n| (format!("label-{n}"), "x".repeat(60))).collect();
    for n in 0..200 {
        let declared = app.declare(&format!("fat:{n:03}"), json!({"labels": labels})).await;
        assert_eq!(declared.status, 201);
    }
    let page = app.get(RESOURCES).await;
    assert!(page.body.len() > 256 * 1024, "it is long: {}", page.body.len());
    assert_eq!(page.header("content-type"), "application/json");
    let all: Vec<String> = (0..200).map(|n| format!("fat:{n:03}")).collect();
    assert_eq!(ids(&page), all);
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_takes_it() {
    let app = App::start().await;
    fleet(&app, 6).await;
    for coding in ["gzip", "zstd"] {
        let answer = app.get_with(RESOURCES, &[("accept-encoding", coding)]).await;
        assert_eq!(answer.header("content-encoding"), coding);
        assert!(answer.header("vary").contains("accept-encoding"));
    }
    let plain = app.get(RESOURCES).await;
    assert!(!plain.headers.contains_key("content-encoding"));
    assert!(matches!(plain.json(), Value::Array(rows) if rows.len() == 6));
}
