//! Maintenance windows over the API.

use serde_json::{Value, json};

use crate::support::{App, RESOURCES};

const WINDOWS: &str = "/api/v1/infrastructure/maintenance";

fn window(selector: &str) -> Value {
    json!({"selector": selector, "ends_at": "2999-01-01T00:00:00Z", "reason": "upgrade"})
}

#[tokio::test]
async fn semantics_18_once_the_put_has_answered_the_resource_is_in_maintenance() {
    let app = App::start().await;
    app.declare("svc:a", json!({"labels": {"team": "shop"}})).await;
    let path = format!("{WINDOWS}/upgrade");
    let put = app.json("PUT", &path, &[], &window("team=shop")).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.json()["missing_shards"], json!([]));
    app.report("svc:a", "critical", json!({})).await;
    let status = |row: Value| row["health_status"].as_str().unwrap().to_owned();
    assert_eq!(status(app.get(&format!("{RESOURCES}/svc:a")).await.json()), "MAINTENANCE");
    // Resources that are declared later fall under it, too.
    app.declare("svc:b", json!({"labels": {"team": "shop"}})).await;
    assert_eq!(status(app.get(&format!("{RESOURCES}/svc:b")).await.json()), "MAINTENANCE");
    assert_eq!(app.call("DELETE", &path).await.status, 204);
    assert_eq!(status(app.get(&format!("{RESOURCES}/svc:a")).await.json()), "CRITICAL");
}

#[tokio::test]
async fn windows_are_listed_read_and_ended() {
    let app = App::start().await;
    assert_eq!(app.get(WINDOWS).await.json(), json!([]));
    for name in ["b", "a"] {
        app.json("PUT", &format!("{WINDOWS}/{name}"), &[], &window("x=y")).await;
    }
    let listed = app.get(WINDOWS).await.json();
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    let one = app.get(&format!("{WINDOWS}/a")).await.json();
    assert_eq!((&one["selector"], &one["reason"]), (&json!("x=y"), &json!("upgrade")));
    assert_eq!(one["ends_at"], "2999-01-01T00:00:00.000Z");
    let key = [("idempotency-key", "k-1")];
    for _ in 0..2 {
        let ended =
            app.send(crate::support::request("DELETE", &format!("{WINDOWS}/a"), &key)).await;
        assert_eq!(ended.status, 204, "{}", ended.text());
    }
    app.get(&format!("{WINDOWS}/a")).await.problem(404);
    app.call("DELETE", &format!("{WINDOWS}/a")).await.problem(404);
    app.call("DELETE", &format!("{WINDOWS}/never")).await.problem(404);
}

#[tokio::test]
async fn bad_windows_are_refused() {
    let app = App::start().await;
    let path = format!("{WINDOWS}/w");
    for (body, pointer) in [
        (json!({"selector": "a=b"}), ""),
        (json!({"ends_at": "2999-01-01T00:00:00Z"}), "/selector"),
        (json!({"selector": "a b", "ends_at": "2999-01-01T00:00:00Z"}), "/selector"),
        (json!({"selector": "a=b", "ends_at": "2001-01-01T00:00:00Z"}), "/ends_at"),
        (json!({"selector": "a=b", "ends_at": "soon"}), "/ends_at"),
        (json!({"resource_ids": ["a b"], "ends_at": "2999-01-01T00:00:00Z"}), "/resource_ids/0"),
        (json!({"selector": "a=b", "ends_at": "2999-01-01T00:00:00Z", "end": 1}), "/end"),
    ] {
        let answer = app.json("PUT", &path, &[], &body).await;
        answer.problem(400);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    app.get(&path).await.problem(404);
}
