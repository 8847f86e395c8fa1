//! Checked credentials, and the configurations made of them.

use std::{sync::Arc, time::SystemTime};

use rustls::{
    CertificateError, ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig,
    client::{Resumption, danger::ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, UnixTime},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};

use super::{
    TlsError, TlsFiles,
    authority::Authority,
    certificate::{day, expires, names_of},
    contents::Contents,
};

/// What nodes speak over TLS (RFC 7301): HTTP/2.
const PROTOCOL: &[u8] = b"h2";

/// What is in force from one load to the next.
pub(super) struct Identity {
    pub(super) contents: Contents,
    pub(super) names: Vec<String>,
    pub(super) expires: SystemTime,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

/// Who judges the certificates of others.
struct Judges {
    of_clients: Arc<dyn ClientCertVerifier>,
    of_servers: Arc<Authority>,
}

impl Identity {
    pub(super) fn build(files: &TlsFiles, contents: Contents) -> Result<Self, TlsError> {
        // Always named, so that no default of the process is needed.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let judges = Judges::new(contents.roots(&files.ca)?, &provider);
        let shown = shown(files, &contents, &provider)?;
        let names = names_of(&shown.cert);
        if names.is_empty() {
            return Err(TlsError::Nameless { cert: files.cert.clone() });
        }
        let malformed = || TlsError::Malformed { path: files.cert.clone() };
        let expires = shown.cert.first().and_then(expires).ok_or_else(malformed)?;
        judges.judge(&shown.cert).map_err(|error| unacceptable(error, files))?;
        let resolver = Arc::new(SingleCertAndKey::from(shown));
        let server = Arc::new(server(&provider, judges.of_clients, Arc::clone(&resolver)));
        let client = Arc::new(client(&provider, judges.of_servers, resolver));
        Ok(Self { contents, names, expires, server, client })
    }
}

impl Judges {
    fn new(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Self {
        let roots = Arc::new(roots);
        let of_clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        let of_clients = of_clients.build().expect("there are roots, and no revocation lists");
        Self { of_clients, of_servers: Arc::new(Authority::new(roots, provider)) }
    }

    /// Judges a chain as both kinds of peer would.
    fn judge(&self, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        let (leaf, others) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        let now = UnixTime::now();
        self.of_servers.judge(leaf, others, now)?;
        self.of_clients.verify_client_cert(leaf, others, now).map(|_| ())
    }
}

/// The certificate and its key, which belong together.
fn shown(
    files: &TlsFiles,
    contents: &Contents,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = contents.chain(&files.cert)?;
    let key = contents.key(&files.key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::KeyMismatch { key: files.key.clone(), cert: files.cert.clone() }
        }
        Error::InvalidCertificate(_) => TlsError::Malformed { path: files.cert.clone() },
        _ => TlsError::Malformed { path: files.key.clone() },
    })
}

/// What is wrong with one's own certificate.
fn unacceptable(error: Error, files: &TlsFiles) -> TlsError {
    let cert = files.cert.clone();
    match error {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            TlsError::Expired { cert, on: day(not_after) }
        }
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            TlsError::NotYetValid { cert, from: day(not_before) }
        }
        // The latter where another authority bears the same name.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => TlsError::ForeignAuthority { cert, ca: files.ca.clone() },
        Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        ) => TlsError::WrongUsage { cert },
        reason => TlsError::Unacceptable { cert, reason },
    }
}

fn server(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    shown: Arc<SingleCertAndKey>,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn client(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    shown: Arc<SingleCertAndKey>,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(shown);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config
}
