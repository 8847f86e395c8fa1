//! What is looked for in bodies.

use serde_json::{Value, json};

use super::check;
use crate::probe::testing::{answering, assert_passed, find, metric, reason, with_body};

async fn find_in(body: &str, asked: Value) -> crate::probe::Finding {
    let address = answering(with_body("200 OK", "", body)).await;
    find(check(address, asked)).await
}

#[tokio::test]
async fn bodies_that_hold_what_is_asked_pass() {
    let json = r#"{"status": "up", "shards": [{"id": 1}, {"id": 2}], "load": 1.0}"#;
    for asked in [
        json!({"body_contains": "up"}),
        json!({"body_regex": r#""id": \d\}"#}),
        json!({"json_path": "$.status"}),
        json!({"json_path": "$.status", "equals": "up"}),
        json!({"json_path": "$.load", "equals": 1}),
        json!({"json_path": "$.shards[*].id", "equals": 2}),
        json!({"body_contains": "up", "json_path": "$.shards"}),
    ] {
        assert_passed(&find_in(json, asked).await);
    }
}

#[tokio::test]
async fn bodies_that_lack_it_say_what_is_lacking() {
    let json = r#"{"status": "down"}"#;
    for (body, asked, expected) in [
        (json, json!({"body_contains": "ok"}), r#"body lacks "ok""#),
        (json, json!({"body_regex": "^up$"}), r#"body does not match "^up$""#),
        (json, json!({"json_path": "$.health"}), "$.health finds nothing"),
        (json, json!({"json_path": "$.status", "equals": "up"}), r#"$.status is "down", not "up""#),
        (
            "<html>",
            json!({"json_path": "$.status"}),
            "body is not JSON: expected value at line 1 column 1",
        ),
        ("", json!({"body_contains": "ok"}), r#"body lacks "ok""#),
    ] {
        assert_eq!(reason(find_in(body, asked).await), expected);
    }
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not() {
    let mut body = "x".repeat(1024 * 1024 - 2) + "ok";
    let finding = find_in(&body, json!({"body_contains": "ok"})).await;
    assert_passed(&finding);
    assert_eq!(metric(&finding, "body_bytes"), Some(1_048_576.0));
    body.push('!');
    let finding = find_in(&body, json!({"body_contains": "ok"})).await;
    assert_eq!(reason(finding), "body exceeds 1 MiB");
}

#[tokio::test]
async fn chunks_are_put_together() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";
    let address = answering(chunked).await;
    assert_passed(&find(check(address, json!({"body_contains": "ok"}))).await);
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_whole() {
    let address = answering("HTTP/1.0 200 OK\r\n\r\nok").await;
    assert_passed(&find(check(address, json!({"body_contains": "ok"}))).await);
}

#[tokio::test]
async fn a_compressed_body_is_refused_rather_than_unpacked() {
    for encoding in ["gzip", "br", "identity, gzip"] {
        let headers = format!("Content-Encoding: {encoding}\r\n");
        let bomb = "\u{1f}ok".repeat(100);
        let address = answering(with_body("200 OK", &headers, &bomb)).await;
        assert_eq!(
            reason(find(check(address, json!({"body_contains": "ok"}))).await),
            format!(
                "body is encoded ({encoding}) although identity was asked for; it is not decoded"
            )
        );
        assert_passed(&find(check(address, json!({}))).await);
    }
}
