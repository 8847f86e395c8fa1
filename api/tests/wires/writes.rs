//! What writes expect, repeat and are refused.

use serde_json::json;

use crate::support::{App, RESOURCES, push_fed};

const A: &str = "/api/v1/infrastructure/resources/svc:a";

#[tokio::test]
async fn declaring_what_is_so_already_changes_nothing() {
    let app = App::start().await;
    let first = app.declare("svc:a", json!({})).await;
    let second = app.declare("svc:a", json!({})).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.header("etag"), second.header("etag"));
    assert!(!second.headers.contains_key("location"));
    let third = app.declare("svc:a", json!({"name": "another"})).await;
    assert_eq!(third.status, 200);
    assert_ne!(first.header("etag"), third.header("etag"));
    assert_eq!(third.json()["incarnation"], first.json()["incarnation"]);
}

#[tokio::test]
async fn semantics_17_a_repeat_under_the_same_key_gets_the_first_answer() {
    let app = App::start().await;
    let key = [("idempotency-key", "k-1")];
    let first = app.json("PUT", A, &key, &push_fed("svc:a", json!({}))).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-key")), (201, "k-1"));
    let again = app.json("PUT", A, &key, &push_fed("svc:a", json!({}))).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, first.json()));
    let key = [("idempotency-key", "k-2")];
    for _ in 0..2 {
        let removed = app.send(crate::support::request("DELETE", A, &key)).await;
        assert_eq!(removed.status, 204, "{}", removed.text());
    }
    // A key that is used again elsewhere is another one there.
    let other =
        app.json("PUT", &format!("{RESOURCES}/svc:b"), &key, &push_fed("b", json!({}))).await;
    assert_eq!(other.json()["resource_id"], "svc:b");
    let chosen = app.declare("svc:a", json!({})).await;
    assert_eq!(chosen.header("idempotency-key").len(), 36);
}

#[tokio::test]
async fn semantics_14_a_write_counts_only_while_what_it_expects_holds() {
    let app = App::start().await;
    let body = push_fed("svc:a", json!({}));
    app.json("PUT", A, &[("if-match", "*")], &body).await.problem(412);
    let created = app.json("PUT", A, &[("if-none-match", "*")], &body).await;
    assert_eq!(created.status, 201);
    app.json("PUT", A, &[("if-none-match", "*")], &body).await.problem(412);
    app.json("PUT", A, &[("if-match", "\"g1.r1\"")], &body).await.problem(412);
    app.json("PUT", A, &[("if-match", "\"foreign\"")], &body).await.problem(412);
    app.json("PUT", A, &[("if-match", "g1")], &body).await.problem(400);
    let delete = |tag: &str| crate::support::request("DELETE", A, &[("if-match", tag)]);
    app.send(delete("\"g1.r1\"")).await.problem(412);
    let removed = app.send(delete(created.header("etag"))).await;
    assert_eq!(removed.status, 204);
}

#[tokio::test]
async fn what_the_configuration_owns_the_api_cannot_touch() {
    let app = App::start().await;
    app.configure("host:n1").await;
    let path = format!("{RESOURCES}/host:n1");
    let row = app.get(&path).await.json();
    assert_eq!(row["managed_by"], "config");
    let put = app.json("PUT", &path, &[], &push_fed("n1", json!({}))).await;
    assert!(put.problem(409).contains("managed by config"));
    app.call("DELETE", &path).await.problem(409);
}

#[tokio::test]
async fn semantics_20_a_push_moves_forward_and_not_too_far() {
    let app = App::start().await;
    app.configure("host:n1").await;
    app.declare("svc:a", json!({})).await;
    let push = |id: &'static str, at: String| {
        let body = json!({"outcome": "ok", "observed_at": at});
        let app = &app;
        async move { app.json("POST", &format!("{RESOURCES}/{id}/observations"), &[], &body).await }
    };
    let now = app.shards.now();
    let minutes = |n: u64| model::Millis::from_secs(n * 60);
    let taken = push("svc:a", now.to_string()).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    assert_eq!(taken.json()["resource_id"], "svc:a");
    push("svc:a", now.minus(minutes(1)).to_string()).await.problem(409);
    push("svc:a", now.plus(minutes(6)).to_string()).await.problem(422);
    let ahead = push("svc:a", now.plus(minutes(4)).to_string()).await;
    assert_eq!(ahead.status, 202);
    push("host:n1", now.to_string()).await.problem(409);
    push("svc:none", now.to_string()).await.problem(404);
}

#[tokio::test]
async fn semantics_28_a_client_can_point_at_no_file_of_the_node() {
    let app = App::start().await;
    let body = json!({"type": "ENDPOINT", "name": "a", "check": {"http": {
        "url": "https://127.0.0.1/", "ca_file": "/etc/passwd", "bearer_token_file": "/etc/shadow"}}});
    let answer = app.json("PUT", A, &[], &body).await;
    answer.problem(400);
    let pointers: Vec<String> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert!(pointers.contains(&"/check/http/ca_file".to_owned()), "{pointers:?}");
    assert!(pointers.contains(&"/check/http/bearer_token_file".to_owned()), "{pointers:?}");
    app.get(A).await.problem(404);
}
