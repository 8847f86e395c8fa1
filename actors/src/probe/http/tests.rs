//! HTTP checks against servers that behave and servers that do not.

mod bodies;
mod hostile;
mod redirects;
mod secure;

use std::net::SocketAddr;

use model::Miss;
use serde_json::{Value, json};

use crate::probe::testing::{
    answering, assert_passed, find, metric, miss, probes, read_head, reason, refusing, serve,
    settings, spec, with_body,
};

/// A check of a server, with more keys.
fn check(address: SocketAddr, more: Value) -> Value {
    let mut http = json!({"url": format!("http://{address}/")});
    let Value::Object(more) = more else { panic!("more keys are an object") };
    http.as_object_mut().expect("it is an object").extend(more);
    json!({ "http": http })
}

#[tokio::test]
async fn a_healthy_answer_passes_and_is_measured() {
    let address = answering(with_body("200 OK", "", "all ok")).await;
    let finding = find(check(address, json!({"body_contains": "ok"}))).await;
    assert_passed(&finding);
    assert_eq!(metric(&finding, "status_code"), Some(200.0));
    assert_eq!(metric(&finding, "body_bytes"), Some(6.0));
    for name in ["duration_ms", "connect_ms", "first_byte_ms"] {
        assert!(metric(&finding, name).is_some_and(|ms| ms > 0.0), "{name}");
    }
    for name in ["resolve_ms", "tls_ms", "certificate_expiry_days"] {
        assert_eq!(metric(&finding, name), None, "{name} was not measured");
    }
}

#[tokio::test]
async fn the_request_says_who_asks_and_asks_for_no_encoding() {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let heard = heard.clone();
        async move {
            heard.send(read_head(&mut stream).await).expect("the test listens");
        }
    })
    .await;
    let url = format!("http://{address}/a%20b?c=d#e");
    let http =
        json!({"url": url, "method": "POST", "body": "hello", "headers": {"X-Team": "shop"}});
    let finding = find(json!({ "http": http })).await;
    let head = hears.recv().await.expect("the server was asked").to_lowercase();
    let agent = concat!("user-agent: bellwether/", env!("CARGO_PKG_VERSION"), "\r\n");
    for line in [
        "post /a%20b?c=d http/1.1\r\n",
        &format!("host: {address}\r\n"),
        agent,
        "accept-encoding: identity\r\n",
        "connection: close\r\n",
        "content-length: 5\r\n",
        "x-team: shop\r\n",
    ] {
        assert!(head.contains(line), "{line:?} is not in {head:?}");
    }
    let expected = format!("connection closed by {address} while waiting for the answer");
    let was_reset = format!("connection reset by {address} while waiting for the answer");
    let reason = reason(finding);
    assert!([expected, was_reset].contains(&reason), "{reason}");
}

#[tokio::test]
async fn a_status_outside_the_ranges_fails() {
    let address = answering(with_body("503 Service Unavailable", "", "")).await;
    let finding = find(check(address, json!({}))).await;
    assert_eq!(metric(&finding, "status_code"), Some(503.0));
    assert_eq!(reason(finding), "status 503");
    assert_passed(&find(check(address, json!({"status": ["200-299", 503]}))).await);
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let address = refusing().await;
    let reason = reason(find(check(address, json!({}))).await);
    assert_eq!(reason, format!("connection refused by {address}"));
}

#[tokio::test]
async fn a_token_comes_from_a_file_that_may_appear_later() {
    let address = serve(|mut stream| async move {
        let head = read_head(&mut stream).await.to_lowercase();
        let known = head.contains("authorization: bearer s3cret\r\n");
        let status = if known { "204 No Content" } else { "401 Unauthorized" };
        let answer = format!("HTTP/1.1 {status}\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.ok();
    })
    .await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("token");
    let check = check(address, json!({"bearer_token_file": path}));
    let probe = probes().build(&spec(&settings(), &check));
    let deadline = || tokio::time::Instant::now() + crate::probe::testing::PATIENCE;
    let (why, detail) = miss(probe.run(deadline()).await);
    assert_eq!(why, Miss::Secret);
    assert!(detail.contains("token"), "{detail}");
    std::fs::write(&path, "s3cret\n").expect("it can be written");
    assert_passed(&probe.run(deadline()).await);
    std::fs::write(&path, "two\nlines").expect("it can be written");
    let (why, detail) = miss(probe.run(deadline()).await);
    assert_eq!(why, Miss::Secret);
    assert!(!detail.contains("lines"), "{detail}");
}

#[tokio::test]
async fn a_secret_of_the_nodes_map_is_read_from_its_file() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "s3cret").expect("it can be written");
    let mut settings = settings();
    settings.secrets.insert("shop".to_owned(), file.path().to_owned());
    let address = serve(|mut stream| async move {
        let head = read_head(&mut stream).await.to_lowercase();
        assert!(head.contains("authorization: bearer s3cret\r\n"), "{head}");
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.ok();
    })
    .await;
    let check = check(address, json!({"bearer_token_secret": "shop"}));
    let probes = crate::probe::Probes::new(settings).expect("TLS can be set up");
    let finding =
        crate::probe::testing::find_within(&probes, check, crate::probe::testing::PATIENCE).await;
    assert_passed(&finding);
}

#[tokio::test]
async fn what_cannot_be_prepared_says_so_each_time() {
    let address = refusing().await;
    for (more, word) in [
        (json!({"json_path": "not a path"}), "JSONPath"),
        (json!({"headers": {"Connection": "keep-alive"}}), "connection"),
    ] {
        let (why, detail) = miss(find(check(address, more)).await);
        assert_eq!(why, Miss::NoProber);
        assert!(detail.contains(word), "{detail}");
    }
}
