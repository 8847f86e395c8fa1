//! What is checked when credentials are loaded, and what a reload changes.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

use super::{pki::Wish, *};

/// Each error names the file and says what to do.
fn assert_says(files: &Files, file: &str, words: &str) {
    let error = files.error();
    assert!(error.contains(&files.path(file).display().to_string()), "{error}");
    assert!(error.contains(words), "{error}");
}

#[test]
fn names_and_end_are_those_of_the_certificate() {
    let wish = Wish { names: &["n1", "10.0.0.1", "n1.example"], until: 30, ..Wish::good() };
    let credentials = Pki::new().issue(&wish).credentials();
    // An address is no name of a node.
    assert_eq!(credentials.names(), ["n1", "n1.example"]);
    let left = credentials.expires().duration_since(SystemTime::now()).unwrap();
    let days = Duration::from_secs(30 * 86_400);
    assert!(left <= days && left > days - Duration::from_secs(60), "{left:?}");
}

#[test]
fn files_that_cannot_be_read_or_understood_are_named() {
    for file in ["ca.pem", "node.pem", "node.key"] {
        let files = Pki::new().node("n1");
        fs::remove_file(files.path(file)).unwrap();
        assert_says(&files, file, "bellwether certs");
    }
    let files = Pki::new().node("n1");
    files.write("ca.pem", "nothing");
    assert_says(&files, "ca.pem", "no certificate in PEM");
    let files = Pki::new().node("n1");
    files.write("node.pem", &fs::read_to_string(files.path("node.key")).unwrap());
    assert_says(&files, "node.pem", "no certificate in PEM");
    let files = Pki::new().node("n1");
    files.write("node.key", &fs::read_to_string(files.path("node.pem")).unwrap());
    assert_says(&files, "node.key", "no private key");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for file in ["ca.pem", "node.pem"] {
        let files = Pki::new().node("n1");
        files.write(file, garbage);
        assert_says(&files, file, "damaged");
    }
    let files = Pki::new().node("n1");
    files.write("node.key", &garbage.replace("CERTIFICATE", "PRIVATE KEY"));
    assert_says(&files, "node.key", "damaged");
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let pki = Pki::new();
    let (files, other) = (pki.node("n1"), pki.node("n2"));
    fs::copy(other.path("node.key"), files.path("node.key")).unwrap();
    assert_says(&files, "node.key", "does not belong to the certificate");
}

#[test]
fn what_other_nodes_would_refuse_is_refused_at_once() {
    let pki = Pki::new();
    for other in [Pki::named("somebody else's"), Pki::new()] {
        let files = pki.node("n1");
        files.write("ca.pem", &other.ca_pem());
        assert_says(&files, "node.pem", "not signed by an authority in");
    }
    let ended = pki.issue(&Wish { from: -2, until: -1, ..Wish::good() });
    assert_says(&ended, "node.pem", "expired on 20");
    let early = pki.issue(&Wish { from: 1, until: 2, ..Wish::good() });
    assert_says(&early, "node.pem", "not valid before 20");
    for usage in [ServerAuth, ClientAuth] {
        let files = pki.issue(&Wish { usages: vec![usage], ..Wish::good() });
        assert_says(&files, "node.pem", "serverAuth and clientAuth");
    }
    let nameless = pki.issue(&Wish { names: &["10.0.0.1"], ..Wish::good() });
    assert_says(&nameless, "node.pem", "no DNS name");
}

#[test]
fn credentials_show_no_key_in_debug() {
    let credentials = Pki::new().node("n1").credentials();
    let text = format!("{credentials:?}");
    assert!(text.contains("node.pem") && text.len() < 400, "{text}");
}

#[tokio::test]
async fn a_reload_counts_from_the_next_handshake_on() {
    let pki = Pki::new();
    let (files, other) = (pki.node("n1"), pki.node("n2").credentials());
    let credentials = files.credentials();
    let clone = credentials.clone();
    assert!(!credentials.reload().unwrap(), "nothing has changed");
    pki.renew(&files, &Wish { names: &["n1", "n1.new"], ..Wish::good() });
    assert!(credentials.reload().unwrap());
    let (_, seen) = meet(clone.server(), other.client()).await;
    assert_eq!(seen.unwrap().0, ["n1", "n1.new"]);
    let (seen, _) = meet(other.server(), clone.client()).await;
    assert_eq!(seen.unwrap().0, ["n1", "n1.new"]);
}

#[tokio::test]
async fn a_broken_file_leaves_the_former_credentials_in_force() {
    let pki = Pki::new();
    let (files, other) = (pki.node("n1"), pki.node("n2").credentials());
    let credentials = files.credentials();
    files.write("node.pem", "half of a certif");
    let error = credentials.reload().unwrap_err().to_string();
    assert!(error.contains(&files.path("node.pem").display().to_string()), "{error}");
    let (_, seen) = meet(credentials.server(), other.client()).await;
    assert_eq!(seen.unwrap().0, ["n1"]);
    pki.renew(&files, &Wish::good());
    assert!(credentials.reload().unwrap(), "the next one is good again");
}
