//! What is made is what nodes accept, and what is refused leaves no trace.

use std::{fs, os::unix::fs::PermissionsExt};

use clap::Parser;
use net::tls::{Credentials, TlsFiles};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    args: CertsArgs,
}

/// What somebody types after `bellwether certs --out DIR`.
fn parse(dir: &Path, line: &str) -> Result<CertsArgs, clap::Error> {
    let dir = dir.to_str().unwrap();
    let words = ["certs", "--out", dir].into_iter().chain(line.split_whitespace());
    Typed::try_parse_from(words).map(|typed| typed.args)
}

fn certs(dir: &Path, line: &str) -> Result<(Value, bool), String> {
    make(&parse(dir, line).unwrap()).map_err(|error| error.to_string())
}

fn load(dir: &Path, name: &str) -> Credentials {
    let ca = dir.join("ca.pem");
    let files = TlsFiles { ca, cert: file(dir, name, "pem"), key: file(dir, name, "key") };
    Credentials::load(files).unwrap()
}

/// Every file and what it holds.
fn contents(dir: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut all: Vec<_> =
        files.map(|entry| (name(&entry), fs::read_to_string(entry.path()).unwrap())).collect();
    all.sort();
    all
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

/// A directory with an authority and the node n1.
fn with_n1() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), "n1").unwrap();
    dir
}

#[test]
fn what_is_made_is_what_nodes_load() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/certs");
    let (rows, found) = certs(&dir, "n1 10.0.0.1 a_b.c-D --days 30").unwrap();
    assert!(!found);
    assert_eq!(names(&rows), ["n1", "10.0.0.1", "a_b.c-D"]);
    for row in items(&rows) {
        let name = text(row, "name");
        let credentials = load(&dir, name);
        assert_eq!(credentials.names(), [name]);
        assert_eq!(text(row, "expires"), wall(credentials.expires()).to_string());
        assert_eq!(text(row, "key"), file(&dir, name, "key").display().to_string());
    }
    let days = load(&dir, "n1").expires().duration_since(SystemTime::now()).unwrap().as_secs();
    assert_eq!(days / 86_400, 29, "30 days less the time of this test");
    assert_eq!(contents(&dir).len(), 8, "and no temporary file");
}

#[test]
fn keys_are_their_owners() {
    let dir = with_n1();
    for (name, _) in contents(dir.path()) {
        let mode = fs::metadata(dir.path().join(&name)).unwrap().permissions().mode();
        let others = mode & 0o077;
        assert!(others == 0 || name.ends_with(".pem"), "{name}: {mode:o}");
    }
}

#[test]
fn a_later_node_is_signed_by_the_same_authority() {
    let dir = with_n1();
    let before = contents(dir.path());
    let (_, found) = certs(dir.path(), "n2").unwrap();
    assert!(found);
    let after = contents(dir.path());
    assert!(before.iter().all(|file| after.contains(file)), "nothing has changed");
    assert_eq!(load(dir.path(), "n2").names(), ["n2"]);
    assert_eq!(load(dir.path(), "n1").names(), ["n1"]);
}

#[test]
fn what_exists_is_replaced_only_on_request() {
    let dir = with_n1();
    let before = contents(dir.path());
    let error = certs(dir.path(), "n2 n1").unwrap_err();
    assert!(error.contains("n1.key") && error.contains("n1.pem"), "{error}");
    assert!(error.contains("--renew") && !error.contains("n2"), "{error}");
    assert_eq!(contents(dir.path()), before, "n2 has not been written either");

    let credentials = load(dir.path(), "n1");
    certs(dir.path(), "n2 n1 --renew").unwrap();
    assert!(credentials.reload().unwrap());
    let after = contents(dir.path());
    let changed = before.iter().filter(|file| !after.contains(file)).map(|(name, _)| name);
    assert_eq!(changed.collect::<Vec<_>>(), ["n1.key", "n1.pem"]);
}

#[test]
fn half_an_authority_is_refused() {
    for (missing, kept) in [("ca.pem", "ca.key"), ("ca.key", "ca.pem")] {
        let dir = with_n1();
        fs::remove_file(dir.path().join(missing)).unwrap();
        let before = contents(dir.path());
        let error = certs(dir.path(), "n2").unwrap_err();
        assert!(error.contains(&format!("{kept} exists")) && error.contains(missing), "{error}");
        assert_eq!(contents(dir.path()), before);
    }
}

#[test]
fn an_authority_that_cannot_sign_is_refused() {
    let (dir, other) = (with_n1(), with_n1());
    fs::write(dir.path().join("ca.key"), read(other.path(), "ca.key")).unwrap();
    let error = certs(dir.path(), "n2").unwrap_err();
    assert!(error.contains("does not belong to"), "{error}");
    for file in ["ca.pem", "ca.key"] {
        let dir = with_n1();
        fs::write(dir.path().join(file), "nonsense").unwrap();
        let error = certs(dir.path(), "n2").unwrap_err();
        assert!(error.contains(file) && error.contains("in PEM"), "{error}");
    }
}

#[test]
fn an_authority_made_elsewhere_signs_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_after = (SystemTime::now() + Duration::from_secs(100 * 86_400 + 60)).into();
    fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(dir.path().join("ca.key"), key.serialize_pem()).unwrap();
    let error = certs(dir.path(), "n1").unwrap_err();
    assert!(error.contains("ca.pem ends") && error.contains("--days 100"), "{error}");
    certs(dir.path(), "n1 --days 100").unwrap();
    assert_eq!(load(dir.path(), "n1").names(), ["n1"]);
}

#[test]
fn names_that_no_node_can_have_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a".repeat(64);
    for line in ["ca", "CA", "-a", "a.", "a/b", "é", &long, "--days 0 a", "--days 3651 a", ""] {
        let error = parse(dir.path(), line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    for line in ["n1 n2 n1", "n1 N1"] {
        assert!(certs(dir.path(), line).unwrap_err().contains("same name"));
    }
    assert_eq!(contents(dir.path()), []);
}

#[test]
fn people_are_told_what_a_node_needs() {
    let dir = with_n1();
    let args = parse(dir.path(), "n2 n3").unwrap();
    let (rows, found) = make(&args).unwrap();
    let advice = advice(&args, found);
    let section = "tls:\n  ca_file: ca.pem\n  cert_file: n2.pem\n  key_file: n2.key\n";
    assert!(advice.contains(section) && advice.contains("ca.key away"), "{advice}");
    let shown = table(&rows).render(false, None);
    assert!(shown.starts_with("NAME"), "{shown}");
    assert_eq!(shown.lines().count(), 3);
}
