//! Authorities, and the files of nodes that they sign.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose::{self, ClientAuth, ServerAuth},
    IsCa, KeyPair,
};
use tempfile::TempDir;

use crate::tls::{Credentials, TlsFiles};

const DAY: Duration = Duration::from_secs(86_400);

/// An authority for one test.
pub(crate) struct Pki(CertifiedIssuer<'static, KeyPair>);

/// A node's files.
pub(crate) struct Files(TempDir);

/// What a certificate is to say.
pub(crate) struct Wish<'a> {
    pub(crate) names: &'a [&'a str],
    /// Days from now.
    pub(crate) from: i32,
    pub(crate) until: i32,
    pub(crate) usages: Vec<ExtendedKeyUsagePurpose>,
}

impl Wish<'_> {
    pub(crate) fn good() -> Self {
        Self { names: &["n1"], from: -1, until: 1, usages: vec![ServerAuth, ClientAuth] }
    }
}

impl Pki {
    /// All bear the same name, as those of different clusters do.
    pub(crate) fn new() -> Self {
        Self::named("Bellwether cluster CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.0.pem()
    }

    /// A node as it should be.
    pub(crate) fn node(&self, name: &str) -> Files {
        self.issue(&Wish { names: &[name], ..Wish::good() })
    }

    pub(crate) fn issue(&self, wish: &Wish<'_>) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.write("ca.pem", &self.ca_pem());
        self.renew(&files, wish);
        files
    }

    /// Another certificate and key in place of the former.
    pub(crate) fn renew(&self, files: &Files, wish: &Wish<'_>) {
        let names: Vec<String> = wish.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = in_days(wish.from).into();
        params.not_after = in_days(wish.until).into();
        params.extended_key_usages = wish.usages.clone();
        let key = KeyPair::generate().unwrap();
        files.write("node.pem", &params.signed_by(&key, &*self.0).unwrap().pem());
        files.write("node.key", &key.serialize_pem());
    }
}

impl Files {
    pub(crate) fn paths(&self) -> TlsFiles {
        TlsFiles {
            ca: self.path("ca.pem"),
            cert: self.path("node.pem"),
            key: self.path("node.key"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::load(self.paths()).unwrap()
    }

    /// Why the files are of no use.
    pub(crate) fn error(&self) -> String {
        Credentials::load(self.paths()).unwrap_err().to_string()
    }
}

fn in_days(days: i32) -> SystemTime {
    let span = DAY * days.unsigned_abs();
    if days < 0 { SystemTime::now() - span } else { SystemTime::now() + span }
}
