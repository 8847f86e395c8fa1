//! TLS checks against certificates good and bad.

use std::{net::SocketAddr, path::Path};

use model::{Miss, Outcome, Severity};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::probe::{
    Finding,
    testing::{
        BRIEF, PATIENCE, assert_passed,
        certificates::{Authority, Issued, serve_tls},
        find, find_within, metric, miss, probes, reason, serve, settings, spec,
    },
};

const GOOD: [(i32, u8, u8); 2] = [(2020, 1, 1), (2100, 1, 1)];

async fn server(issued: Issued) -> SocketAddr {
    serve_tls(issued, |mut session| async move {
        session.read_u8().await.ok();
        session.shutdown().await.ok();
    })
    .await
}

fn check(address: SocketAddr, ca_file: &Path) -> Value {
    json!({"tls": {
        "address": address.to_string(), "server_name": "shop.example", "ca_file": ca_file}})
}

async fn find_for(name: &str, days: [(i32, u8, u8); 2]) -> Finding {
    let authority = Authority::new();
    let file = authority.file();
    let address = server(authority.issue(name, days)).await;
    find(check(address, file.path())).await
}

#[tokio::test]
async fn a_good_certificate_passes_and_its_days_are_counted() {
    let finding = find_for("shop.example", GOOD).await;
    assert_passed(&finding);
    assert!(metric(&finding, "certificate_expiry_days").is_some_and(|days| days > 20_000.0));
    assert!(metric(&finding, "tls_ms").is_some_and(|ms| ms > 0.0));
}

#[tokio::test]
async fn a_certificate_of_another_name_is_named() {
    let finding = find_for("other.example", GOOD).await;
    let expected = "TLS: certificate is for other.example, not for shop.example";
    assert_eq!(reason(finding), expected);
}

#[tokio::test]
async fn an_expired_certificate_is_dated_and_its_days_are_still_counted() {
    let finding = find_for("shop.example", [(2020, 1, 1), (2026, 1, 1)]).await;
    assert!(metric(&finding, "certificate_expiry_days").is_some_and(|days| days < 0.0));
    assert_eq!(reason(finding), "TLS: certificate expired on 2026-01-01");
}

#[tokio::test]
async fn a_certificate_of_the_future_is_dated() {
    let finding = find_for("shop.example", [(2099, 2, 3), (2100, 1, 1)]).await;
    assert_eq!(reason(finding), "TLS: certificate is not valid before 2099-02-03");
}

#[tokio::test]
async fn an_authority_that_nobody_trusts_is_unknown() {
    let file = Authority::new().file();
    for (stranger, expected) in [
        ("a stranger", "TLS: issuer is unknown"),
        ("a test's authority", "TLS: certificate is not signed by the issuer that it names"),
    ] {
        let address = server(Authority::named(stranger).issue("shop.example", GOOD)).await;
        assert_eq!(reason(find(check(address, file.path())).await), expected);
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_warning() {
    let authority = Authority::new();
    let file = authority.file();
    let address = server(authority.issue_for_days("shop.example", 7)).await;
    let Finding::Concluded { outcome: Outcome::Failed { severity, reason }, .. } =
        find(check(address, file.path())).await
    else {
        panic!("7 days are fewer than 14");
    };
    assert_eq!(severity, Severity::Warning);
    assert!(reason.starts_with("certificate expires in 6 days, on 20"), "{reason}");
}

#[tokio::test]
async fn a_certificate_file_that_appears_later_counts_from_then_on() {
    let authority = Authority::new();
    let address = server(authority.issue("shop.example", GOOD)).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("ca.pem");
    let probes = probes();
    let probe = probes.build(&spec(&settings(), &check(address, &path)));
    let deadline = || Instant::now() + PATIENCE;
    let (why, detail) = miss(probe.run(deadline()).await);
    assert_eq!(why, Miss::Secret);
    assert!(detail.starts_with("cannot read ") && detail.contains("ca.pem"), "{detail}");
    std::fs::write(&path, "no certificate").expect("it can be written");
    assert_eq!(miss(probe.run(deadline()).await).0, Miss::Secret);
    std::fs::copy(authority.file().path(), &path).expect("it can be written");
    assert_passed(&probe.run(deadline()).await);
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_named_as_such() {
    let address = serve(|mut stream| async move {
        stream.write_all(b"220 mail.example ready\r\n").await.ok();
        stream.read_u8().await.ok();
        std::future::pending::<()>().await;
    })
    .await;
    let authority = Authority::new();
    let file = authority.file();
    assert_eq!(reason(find(check(address, file.path())).await), "TLS: the answer is not TLS");
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_ends_at_the_deadline() {
    let address = serve(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let authority = Authority::new();
    let file = authority.file();
    let finding = find_within(&probes(), check(address, file.path()), BRIEF).await;
    assert_eq!(reason(finding), format!("timed out in the TLS handshake ({address})"));
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_handshake_is_named_as_such() {
    let address = serve(|mut stream| async move {
        stream.read_u8().await.ok();
        stream.shutdown().await.ok();
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
    })
    .await;
    let authority = Authority::new();
    let file = authority.file();
    let reason = reason(find(check(address, file.path())).await);
    assert_eq!(reason, format!("connection closed by {address} in the TLS handshake"));
}
