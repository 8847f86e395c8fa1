//! HTTPS, with certificates good and bad.

use std::net::SocketAddr;

use model::{Outcome, Severity};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::probe::{
    Finding,
    testing::{
        assert_passed,
        certificates::{Authority, Issued, serve_tls},
        find, metric, read_head, reason,
    },
};

const GOOD: [(i32, u8, u8); 2] = [(2020, 1, 1), (2100, 1, 1)];

async fn server(issued: Issued) -> SocketAddr {
    serve_tls(issued, |mut session| async move {
        read_head(&mut session).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        session.write_all(answer).await.ok();
        session.shutdown().await.ok();
    })
    .await
}

fn check(address: SocketAddr, authority: &std::path::Path, more: Value) -> Value {
    let url = format!("https://localhost:{}/", address.port());
    let mut http = json!({"url": url, "ca_file": authority, "body_contains": "ok"});
    let Value::Object(more) = more else { panic!("more keys are an object") };
    http.as_object_mut().expect("it is an object").extend(more);
    json!({ "http": http })
}

#[tokio::test]
async fn a_good_certificate_passes_and_its_days_are_counted() {
    let authority = Authority::new();
    let file = authority.file();
    let address = server(authority.issue("localhost", GOOD)).await;
    let finding = find(check(address, file.path(), json!({"min_days": 30}))).await;
    assert_passed(&finding);
    for name in ["resolve_ms", "tls_ms", "first_byte_ms", "certificate_expiry_days"] {
        assert!(metric(&finding, name).is_some_and(|value| value > 0.0), "{name}");
    }
}

#[tokio::test]
async fn a_bad_certificate_fails_unless_nobody_asks() {
    let (authority, stranger) = (Authority::new(), Authority::named("a stranger"));
    let file = authority.file();
    for (issued, expected) in [
        (
            authority.issue("other.example", GOOD),
            "TLS: certificate is for other.example, not for localhost",
        ),
        (
            authority.issue("localhost", [(2020, 1, 1), (2026, 1, 1)]),
            "TLS: certificate expired on 2026-01-01",
        ),
        (stranger.issue("localhost", GOOD), "TLS: issuer is unknown"),
    ] {
        let address = server(issued).await;
        let finding = find(check(address, file.path(), json!({}))).await;
        assert!(metric(&finding, "certificate_expiry_days").is_some());
        assert_eq!(metric(&finding, "status_code"), None, "nothing may be asked before");
        assert_eq!(reason(finding), expected);
        assert_passed(&find(check(address, file.path(), json!({"verify": false}))).await);
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_warning_but_no_excuse() {
    let authority = Authority::new();
    let file = authority.file();
    let address = server(authority.issue_for_days("localhost", 7)).await;
    let finding = find(check(address, file.path(), json!({"min_days": 14}))).await;
    let Finding::Concluded { outcome: Outcome::Failed { severity, reason: why }, .. } = finding
    else {
        panic!("7 days are fewer than 14");
    };
    assert_eq!(severity, Severity::Warning);
    assert!(why.starts_with("certificate expires in 6 days, on 20"), "{why}");
    let worse = json!({"min_days": 14, "status": [204]});
    assert_eq!(reason(find(check(address, file.path(), worse)).await), "status 200");
}
