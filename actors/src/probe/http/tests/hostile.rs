//! Servers that misbehave: each ends in a reason, and in time.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{io::AsyncWriteExt, time::sleep};

use super::check;
use crate::probe::testing::{
    BRIEF, answering, assert_passed, find, find_within, probes, read_head, reason, serve,
};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

/// A server whose body never ends, as fast as it is read.
async fn endless() -> SocketAddr {
    serve(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
        while stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
    })
    .await
}

/// A server that sends a byte now and then, so that no silence is long.
async fn dripping(start: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(start).await.ok();
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_endless_body_ends_at_one_mebibyte() {
    let address = endless().await;
    let finding = find(check(address, json!({"body_contains": "ok"}))).await;
    assert_eq!(reason(finding), "body exceeds 1 MiB");
}

#[tokio::test]
async fn an_endless_body_that_nobody_needs_is_not_read() {
    let address = endless().await;
    assert_passed(&find(check(address, json!({}))).await);
}

#[tokio::test]
async fn a_body_that_drips_ends_at_the_deadline() {
    let address = dripping(HEAD).await;
    let asked = check(address, json!({"body_contains": "ok"}));
    let reason = reason(find_within(&probes(), asked, BRIEF).await);
    assert!(reason.starts_with("timed out in the body after "), "{reason}");
    assert!(reason.ends_with(&format!(" bytes ({address})")), "{reason}");
}

#[tokio::test]
async fn a_head_that_drips_ends_at_the_deadline() {
    let address = dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ").await;
    let reason = reason(find_within(&probes(), check(address, json!({})), BRIEF).await);
    assert_eq!(reason, format!("timed out while waiting for the answer ({address})"));
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_deadline() {
    let address = serve(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let reason = reason(find_within(&probes(), check(address, json!({})), BRIEF).await);
    assert_eq!(reason, format!("timed out while waiting for the answer ({address})"));
}

#[tokio::test]
async fn a_reset_is_reported_with_its_moment() {
    for (sent, moment) in [(&b""[..], "while waiting for the answer"), (HEAD, "in the body")] {
        let address = serve(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(sent).await.ok();
            // The reset must not overtake the head.
            sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger().expect("it is a TCP socket");
        })
        .await;
        let finding = find(check(address, json!({"body_contains": "ok"}))).await;
        assert_eq!(reason(finding), format!("connection reset by {address} {moment}"));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_reported_with_its_moment() {
    for (sent, moment) in [
        (&b"HTTP/1.1 200"[..], "while waiting for the answer"),
        (HEAD, "in the body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "in the body"),
    ] {
        let address = answering(sent).await;
        let finding = find(check(address, json!({"body_contains": "ok"}))).await;
        assert_eq!(reason(finding), format!("connection closed by {address} {moment}"));
    }
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 twohundred OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nok\r\n0\r\n\r\n",
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let address = answering(answer).await;
        let reason = reason(find(check(address, json!({"body_contains": "ok"}))).await);
        assert!(reason.starts_with("malformed HTTP answer: "), "{answer:?}: {reason}");
    }
}

#[tokio::test]
async fn huge_heads_are_cut_off() {
    let one_long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-More: x\r\n".repeat(101));
    for answer in [one_long, many] {
        let address = answering(answer).await;
        let reason = reason(find(check(address, json!({}))).await);
        assert_eq!(reason, "the answer's head exceeds 64 KiB or 100 headers");
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let address = serve(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.ok();
        while stream.write_all(b"X-More: and more of this\r\n").await.is_ok() {}
    })
    .await;
    let reason = reason(find(check(address, json!({}))).await);
    assert_eq!(reason, "the answer's head exceeds 64 KiB or 100 headers");
}

#[tokio::test]
async fn what_a_target_says_reaches_no_terminal_unclean() {
    let address = answering("HTTP/1.1 302 Found\r\nLocation: x\u{1b}[31m://y\r\n\r\n").await;
    let reason = reason(find(check(address, json!({"follow_redirects": 1}))).await);
    assert!(!reason.contains('\u{1b}') && reason.len() <= 300, "{reason}");
}
