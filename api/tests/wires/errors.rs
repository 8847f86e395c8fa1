//! Bad input, each with its own clear answer.

use std::time::Duration;

use axum::body::Body;
use bellwether_api::{Hooks, Limits};
use serde_json::json;

use crate::support::{App, RESOURCES, WATCH, request};

const A: &str = "/api/v1/infrastructure/resources/svc:a";

#[tokio::test]
async fn bad_ids_name_the_rule_that_they_break() {
    let app = App::start().await;
    let long = "x".repeat(10_000);
    for (id, part) in [
        ("a%20b", "' ' is not allowed"),
        ("a%2Fb", "'/' is not allowed"),
        ("%C3%A9", "'é' is not allowed"),
        ("%FF", "not UTF-8"),
        ("a%00b", "is not allowed"),
        (long.as_str(), "this one has 10000"),
    ] {
        for suffix in ["", "/events"] {
            let detail = app.get(&format!("{RESOURCES}/{id}{suffix}")).await.problem(400);
            assert!(detail.contains(part), "{detail}");
        }
        app.call("DELETE", &format!("{RESOURCES}/{id}")).await.problem(400);
        app.json("PUT", &format!("{RESOURCES}/{id}"), &[], &json!({})).await.problem(400);
    }
    let name = format!("/api/v1/infrastructure/maintenance/{long}");
    app.get(&name).await.problem(400);
}

#[tokio::test]
async fn a_bad_part_of_a_path_is_named_as_its_description_names_it() {
    let app = App::start().await;
    for (path, name) in [
        ("clusters/%FF/health", "{cluster_id}"),
        ("clusters/a%00b/health", "{cluster_id}"),
        ("nodes/%FF/metrics", "{node_id}"),
        ("maintenance/%FF", "{name}"),
        ("resources/%FF", "{id}"),
    ] {
        let answer = app.get(&format!("/api/v1/infrastructure/{path}")).await;
        answer.problem(400);
        assert_eq!(answer.json()["errors"][0]["pointer"], name, "{path}");
    }
}

#[tokio::test]
async fn bad_bodies_name_their_fault_and_its_place() {
    let app = App::start().await;
    let deep = "[".repeat(5_000);
    for (body, part) in [
        ("", "the body is empty"),
        ("{\"a\": 1,\n}", "line 2 column 1"),
        ("{\"type\": \"HOST\", \"type\": \"HOST\"}", "is given twice"),
        ("{\"interval\": 1e999}", "number out of range at line 1"),
        (deep.as_str(), "recursion limit"),
        ("[]", "expected keys and values, found a list"),
    ] {
        let detail = app.text("PUT", A, &[], body).await.problem(400);
        assert!(detail.contains(part), "{detail}");
    }
    let several = json!({"type": "HOSTS", "name": "", "check": {"htp": {}}, "colour": 1});
    let answer = app.json("PUT", A, &[], &several).await;
    answer.problem(400);
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 4, "{}", answer.text());
    let other =
        json!({"id": "svc:b", "type": "SERVICE", "name": "a", "check": {"push": {"ttl": "1m"}}});
    assert!(app.json("PUT", A, &[], &other).await.problem(400).contains("id in the path"));
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_json() {
    let app = App::start().await;
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    app.text("PUT", A, &[], &long).await.problem(413);
    app.text("PUT", A, &[("content-type", "text/plain")], "{}").await.problem(415);
    app.text("PUT", A, &[("content-encoding", "gzip")], "{}").await.problem(415);
    app.send(request("PUT", A, &[])).await.problem(415);
    let observations = format!("{A}/observations");
    app.text("POST", &observations, &[], &long).await.problem(413);
    app.text("POST", &observations, &[], "{}").await.problem(400);
}

#[tokio::test]
async fn a_body_that_never_arrives_is_given_up_on() {
    let limits = Limits { request_timeout: Duration::from_millis(200), ..Limits::default() };
    let app = App::with(Hooks { limits, ..Hooks::default() }).await;
    let mut request = request("PUT", A, &[("content-type", "application/json")]);
    *request.body_mut() =
        Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    app.send(request).await.problem(408);
}

#[tokio::test]
async fn unknown_and_bad_parameters_are_named() {
    let app = App::start().await;
    for (path, part) in [
        (format!("{RESOURCES}?limt=5"), "did you mean `limit`?"),
        (format!("{RESOURCES}?limit=0"), "from 1 to 5000"),
        (format!("{RESOURCES}?limit=5001"), "from 1 to 5000"),
        (format!("{RESOURCES}?limit=1&limit=2"), "given twice"),
        (format!("{RESOURCES}?labels=a%20b"), "?labels"),
        (format!("{RESOURCES}?resource_type=HOSTS"), "did you mean `HOST`?"),
        (format!("{RESOURCES}?health_status=sick"), "expected HEALTHY"),
        (format!("{RESOURCES}?consistency=strong"), "`linearizable` or `stale`"),
        (format!("{RESOURCES}?partial=yes"), "expected `allow`"),
        (format!("{RESOURCES}?continue=xyz"), "follow the `Link`"),
        (format!("{A}?verbose"), "unknown parameter `verbose`"),
        (format!("{A}/events?after=-1"), "?after"),
        (format!("{WATCH}?cursor=xyz"), "not a cursor"),
        (format!("{WATCH}?limit=5"), "unknown parameter `limit`"),
        ("/api/v1/coverage?since=soon".to_owned(), "not a duration"),
        ("/api/v1/coverage?resource_id=a%20b".to_owned(), "is not allowed in an id"),
        ("/api/v1/cluster?x=1".to_owned(), "unknown parameter `x`"),
        ("/api/v1/sinks?x=1".to_owned(), "unknown parameter `x`"),
        ("/api/v1/config?x=1".to_owned(), "unknown parameter `x`"),
        ("/api/v1/infrastructure/maintenance?x=1".to_owned(), "unknown parameter `x`"),
        ("/metrics?x=1".to_owned(), "unknown parameter `x`"),
        ("/metrics/resources?lables=a".to_owned(), "did you mean `labels`?"),
        ("/livez?x".to_owned(), "did you mean"),
        ("/readyz?verbose=maybe".to_owned(), "expected no value"),
    ] {
        let detail = app.get(&path).await.problem(400);
        let unknown = detail.contains(part) || path.contains("/livez");
        assert!(unknown, "{path}: {detail}");
    }
}

#[tokio::test]
async fn bad_headers_are_named() {
    let app = App::start().await;
    let long = "k".repeat(201);
    for key in ["a b", "", long.as_str()] {
        let headers = [("idempotency-key", key)];
        let detail = app.json("PUT", A, &headers, &json!({})).await.problem(400);
        assert!(detail.contains("1 to 200 visible ASCII"), "{detail}");
    }
    app.get_with(WATCH, &[("last-event-id", "xyz")]).await.problem(400);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let app = App::start().await;
    for path in ["/", "/api", "/api/v2/x", "/api/v1/infrastructure/resources/"] {
        app.get(path).await.problem(404);
    }
    let posted = app.call("POST", RESOURCES).await;
    posted.problem(405);
    assert_eq!(posted.header("allow"), "GET,HEAD");
    let patched = app.call("PATCH", A).await;
    patched.problem(405);
    for method in ["GET", "PUT", "DELETE"] {
        assert!(patched.header("allow").contains(method), "{}", patched.header("allow"));
    }
    app.get("/-/reload").await.problem(405);
}

#[tokio::test]
async fn every_answer_has_an_id_and_a_callers_own_is_kept() {
    let app = App::start().await;
    for path in ["/livez", "/nowhere", RESOURCES, "/metrics", "/openapi.json"] {
        let answer = app.get_with(path, &[("x-request-id", "mine-7")]).await;
        assert_eq!(answer.header("x-request-id"), "mine-7");
        assert!(answer.header("bellwether-revision").parse::<u64>().is_ok());
        let consistency = answer.header("bellwether-consistency");
        assert!(consistency == "linearizable" || consistency.starts_with("stale; age="));
        assert_eq!(app.get(path).await.header("x-request-id").len(), 36);
    }
}

#[tokio::test]
async fn too_much_at_once_is_refused_and_health_still_answers() {
    let limits = Limits { in_flight: 0, watches: 0, ..Limits::default() };
    let app = App::with(Hooks { limits, ..Hooks::default() }).await;
    app.get(RESOURCES).await.problem(429);
    app.get(WATCH).await.problem(429);
    assert_eq!(app.get("/livez").await.status, 200);
    assert_eq!(app.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn a_panic_ends_one_request_and_nothing_more() {
    let app = App::start().await;
    app.shards.lend_sinks(Box::new(|| panic!("what is lent is broken")));
    let detail = app.get("/api/v1/sinks").await.problem(500);
    assert!(!detail.contains("lent"), "the panic's text stays inside");
    assert_eq!(app.get(RESOURCES).await.status, 200);
}
