//! TCP checks against servers that misbehave.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::probe::testing::{
    BRIEF, answering, assert_passed, find, find_within, metric, probes, reason, refusing, serve,
};

#[tokio::test]
async fn an_open_port_passes_and_its_times_are_measured() {
    let address = serve(|stream| async { drop(stream) }).await;
    let finding = find(json!({"tcp": {"address": address.to_string()}})).await;
    assert_passed(&finding);
    assert!(metric(&finding, "connect_ms").is_some_and(|ms| ms > 0.0));
    assert!(metric(&finding, "duration_ms") >= metric(&finding, "connect_ms"));
    assert_eq!(metric(&finding, "resolve_ms"), None, "an address is not resolved");
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let address = refusing().await;
    let finding = find(json!({"tcp": {"address": address.to_string()}})).await;
    assert_eq!(reason(finding), format!("connection refused by {address}"));
}

#[tokio::test]
async fn a_name_is_resolved_and_all_of_its_addresses_are_tried() {
    let address = serve(|stream| async { drop(stream) }).await;
    let port = address.port();
    let finding = find(json!({"tcp": {"address": format!("localhost:{port}")}})).await;
    assert_passed(&finding);
    assert!(metric(&finding, "resolve_ms").is_some());
}

#[tokio::test]
async fn what_is_expected_may_come_in_pieces_and_after_something_was_sent() {
    let address = serve(|mut stream| async move {
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.expect("the probe sends four bytes");
        assert_eq!(&asked, b"PING");
        for piece in ["noise PO", "NG"] {
            stream.write_all(piece.as_bytes()).await.expect("the probe reads");
            stream.flush().await.expect("the probe reads");
            tokio::task::yield_now().await;
        }
        stream.read_u8().await.ok();
    })
    .await;
    let tcp = json!({"address": address.to_string(), "send": "PING", "expect": "PONG"});
    assert_passed(&find(json!({"tcp": tcp})).await);
}

#[tokio::test]
async fn another_answer_than_expected_is_shown() {
    let address = answering("-ERR\r\nunknown\r\n").await;
    let tcp = json!({"address": address.to_string(), "send": "x\r\n\r\n", "expect": "PONG"});
    let reason = reason(find(json!({"tcp": tcp})).await);
    assert_eq!(reason, r#"the answer lacks "PONG": it begins with "-ERR\r\nunknown\r\n""#);
}

#[tokio::test]
async fn a_server_that_closes_without_a_word_lacks_what_is_expected() {
    let address = answering("").await;
    let tcp = json!({"address": address.to_string(), "send": "x\r\n\r\n", "expect": "PONG"});
    assert_eq!(reason(find(json!({"tcp": tcp})).await), r#"the answer lacks "PONG": it is empty"#);
}

#[tokio::test]
async fn a_server_that_resets_is_reported_as_such() {
    let address = serve(|mut stream| async move {
        stream.read_u8().await.ok();
        stream.set_zero_linger().expect("it is a TCP socket");
    })
    .await;
    let tcp = json!({"address": address.to_string(), "send": "PING", "expect": "PONG"});
    assert_eq!(
        reason(find(json!({"tcp": tcp})).await),
        format!("connection reset by {address} while waiting for the answer")
    );
}

#[tokio::test]
async fn a_silent_server_ends_at_the_deadline() {
    let address = serve(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let tcp = json!({"address": address.to_string(), "expect": "PONG"});
    assert_eq!(
        reason(find_within(&probes(), json!({"tcp": tcp}), BRIEF).await),
        format!("timed out while waiting for the answer ({address})")
    );
}

#[tokio::test]
async fn a_server_that_never_stops_talking_is_cut_off() {
    let address =
        serve(|mut stream| async move { while stream.write_all(&[b'x'; 8_192]).await.is_ok() {} })
            .await;
    let tcp = json!({"address": address.to_string(), "expect": "PONG"});
    let reason = reason(find(json!({"tcp": tcp})).await);
    assert!(reason.starts_with(r#"the answer lacks "PONG": it begins with "xxxx"#), "{reason}");
}

#[tokio::test]
async fn a_dropped_probe_closes_its_connection() {
    let (closed, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let closed = closed.clone();
        async move {
            closed.send("open").expect("the test listens");
            stream.read_u8().await.expect_err("the probe says nothing");
            closed.send("closed").expect("the test listens");
        }
    })
    .await;
    let check = json!({"tcp": {"address": address.to_string(), "expect": "PONG"}});
    let running = tokio::spawn(find(check));
    assert_eq!(seen.recv().await, Some("open"));
    running.abort();
    assert_eq!(seen.recv().await, Some("closed"));
}
