//! Redirects that lead somewhere, nowhere, and elsewhere.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::check;
use crate::probe::testing::{answering, assert_passed, find, metric, read_head, reason, serve};

/// A server that counts up its paths: `/` leads to `/1`, that to `/2`, and so on to `last`.
async fn counting(last: u32) -> SocketAddr {
    serve(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        let path = head.split(' ').nth(1).unwrap_or_default();
        let at: u32 = path.trim_start_matches('/').parse().unwrap_or(0);
        let answer = if at >= last {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()
        } else {
            format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", at + 1)
        };
        stream.write_all(answer.as_bytes()).await.ok();
    })
    .await
}

async fn leading_to(location: &str) -> SocketAddr {
    answering(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n")).await
}

#[tokio::test]
async fn redirects_are_followed_up_to_the_limit() {
    let address = counting(3).await;
    let asked = json!({"follow_redirects": 3, "body_contains": "ok"});
    let finding = find(check(address, asked)).await;
    assert_passed(&finding);
    assert_eq!(metric(&finding, "status_code"), Some(200.0));
    assert_eq!(
        reason(find(check(address, json!({"follow_redirects": 2}))).await),
        format!("more than 2 redirects, at http://{address}/2")
    );
}

#[tokio::test]
async fn a_redirect_that_is_not_to_be_followed_is_an_answer() {
    let address = counting(1).await;
    assert_eq!(reason(find(check(address, json!({}))).await), "status 302");
    assert_passed(&find(check(address, json!({"status": [302]}))).await);
}

#[tokio::test]
async fn a_loop_is_found_before_the_limit() {
    let address = leading_to("/").await;
    assert_eq!(
        reason(find(check(address, json!({"follow_redirects": 20}))).await),
        format!("redirect loop at http://{address}/")
    );
}

#[tokio::test]
async fn a_redirect_elsewhere_than_to_http_is_refused() {
    for (location, expected) in [
        ("ftp://shop.example/", "redirect to ftp:, which is not http"),
        ("file:///etc/passwd", "redirect to file:, which is not http"),
        ("http://", "redirect to an unusable address: http://"),
    ] {
        let address = leading_to(location).await;
        assert_eq!(reason(find(check(address, json!({"follow_redirects": 3}))).await), expected);
    }
}

#[tokio::test]
async fn another_origin_gets_neither_the_token_nor_the_headers() {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let other = serve(move |mut stream| {
        let heard = heard.clone();
        async move {
            heard.send(read_head(&mut stream).await).expect("the test listens");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.ok();
        }
    })
    .await;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "s3cret").expect("it can be written");
    let address = leading_to(&format!("http://{other}/")).await;
    let asked = json!({
        "follow_redirects": 1, "bearer_token_file": file.path(), "headers": {"X-Team": "shop"}});
    assert_passed(&find(check(address, asked)).await);
    let head = hears.recv().await.expect("it was asked").to_lowercase();
    assert!(!head.contains("s3cret") && !head.contains("x-team"), "{head}");
    assert!(head.contains("user-agent: bellwether/"), "{head}");
}
