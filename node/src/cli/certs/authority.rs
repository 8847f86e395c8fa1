//! The authority that signs the certificates of a cluster's nodes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::{
    RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use super::{super::error::CliError, files::Pending, wall};

/// What the authority is called; that of every cluster, so that only the key tells them apart.
const NAME: &str = "Bellwether cluster CA";
/// Certificates begin so much earlier, because the clocks of machines differ.
const SKEW: Duration = Duration::from_secs(3_600);

/// What can sign nodes.
pub(super) struct Authority {
    path: PathBuf,
    certificate: CertificateDer<'static>,
    ends: SystemTime,
    issuer: Issuer<'static, KeyPair>,
    provider: CryptoProvider,
}

impl Authority {
    /// The one in a directory; `None` where there is none.
    ///
    /// # Errors
    /// Where half of it is missing, or it cannot be used.
    pub(super) fn find(dir: &Path) -> Result<Option<Self>, CliError> {
        let (path, key_path) = paths(dir);
        match (read(&path)?, read(&key_path)?) {
            (None, None) => Ok(None),
            (Some(pem), Some(key)) => Self::open(path, &pem, &key_path, &key).map(Some),
            (Some(_), None) => Err(half(&path, &key_path)),
            (None, Some(_)) => Err(half(&key_path, &path)),
        }
    }

    /// A new one, and its files that are to be written.
    pub(super) fn make(
        dir: &Path,
        now: SystemTime,
        ends: SystemTime,
    ) -> Result<(Self, Vec<Pending>), CliError> {
        let (path, key_path) = paths(dir);
        let key = generate()?;
        let params = params_of_authority(now, ends);
        let certificate = params.self_signed(&key).map_err(|e| failed(&e))?;
        let files = vec![
            Pending::secret(key_path, key.serialize_pem()),
            Pending::public(path.clone(), certificate.pem()),
        ];
        let certificate = certificate.der().clone();
        let issuer = Issuer::new(params, key);
        let provider = aws_lc_rs::default_provider();
        Ok((Self { path, certificate, ends, issuer, provider }, files))
    }

    fn open(path: PathBuf, pem: &[u8], key_path: &Path, key: &[u8]) -> Result<Self, CliError> {
        let unusable = |path: &Path, what| {
            CliError::Failed(format!("{} holds no {what} that can be used", path.display()))
        };
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|_| unusable(&path, "certificate in PEM"))?;
        let ends =
            net::tls::expires(&certificate).ok_or_else(|| unusable(&path, "certificate in PEM"))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| unusable(key_path, "private key in PEM, not encrypted,"))?;
        let pair = KeyPair::try_from(&key).map_err(|_| unusable(key_path, "kind of key"))?;
        let provider = aws_lc_rs::default_provider();
        CertifiedKey::from_der(vec![certificate.clone()], key, &provider).map_err(|_| {
            let (path, key_path) = (path.display(), key_path.display());
            CliError::Failed(format!("the key in {key_path} does not belong to {path}"))
        })?;
        let issuer = Issuer::from_ca_cert_der(&certificate, pair).map_err(|e| failed(&e))?;
        Ok(Self { path, certificate, ends, issuer, provider })
    }

    /// Refuses certificates that would outlast the authority.
    pub(super) fn refuse_beyond(&self, now: SystemTime, until: SystemTime) -> Result<(), CliError> {
        if until <= self.ends {
            return Ok(());
        }
        let (path, ends) = (self.path.display(), wall(self.ends));
        let left = self.ends.duration_since(now).unwrap_or_default().as_secs() / 86_400;
        Err(CliError::Failed(match left {
            0 => format!("{path} ends at {ends}; make another authority in another directory"),
            left => format!("{path} ends at {ends}, before the certificates; use --days {left}"),
        }))
    }

    /// A certificate for a node and its key, both in PEM.
    pub(super) fn sign(
        &self,
        name: &str,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<(String, String), CliError> {
        let key = generate()?;
        let params = params_of_node(name, now, until).map_err(|e| failed(&e))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|e| failed(&e))?;
        self.verify(certificate.der()).map_err(|e| {
            let path = self.path.display();
            CliError::Failed(format!("{path} cannot sign nodes: {e}; use another authority"))
        })?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Looks at a certificate as nodes will: not every authority's name survives its reading.
    fn verify(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let now = UnixTime::now();
        verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &[], now, algorithms)
    }
}

fn paths(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("ca.pem"), dir.join("ca.key"))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, CliError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(CliError::Failed(format!("cannot read {}: {e}", path.display()))),
    }
}

fn half(there: &Path, missing: &Path) -> CliError {
    let (there, missing) = (there.display(), missing.display());
    CliError::Failed(format!(
        "{there} exists, but {missing} does not; put it back, or use another directory"
    ))
}

fn generate() -> Result<KeyPair, CliError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed(&e))
}

fn failed(error: &rcgen::Error) -> CliError {
    CliError::Failed(format!("cannot make a certificate: {error}"))
}

/// Serial numbers are made of the keys, which are random (RFC 5280, section 4.1.2.2).
fn params(name: &str, now: SystemTime, until: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - SKEW).into();
    params.not_after = until.into();
    params
}

fn params_of_authority(now: SystemTime, until: SystemTime) -> CertificateParams {
    let mut params = params(NAME, now, until);
    // It signs nodes, and no other authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn params_of_node(
    name: &str,
    now: SystemTime,
    until: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(name, now, until);
    params.is_ca = IsCa::ExplicitNoCa;
    // Not by `CertificateParams::new`, which takes a node called 10.0.0.1 for an address.
    params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
