//! What a broker needs that lets in over TLS only whom it knows: a certificate, and tokens that it
//! can tell (RFC 7519, signed by RSA).

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SigningKey};
use serde_json::json;

use crate::ports::free_port;

/// The role that may do everything.
const ADMIN: &str = "admin";
/// The broker looks so often whether a token has expired, in seconds.
const LOOKS: u32 = 1;

/// See the module.
#[derive(Debug)]
pub struct Gate {
    directory: PathBuf,
    issuer: KeyPair,
    port: u16,
    http: u16,
}

impl Gate {
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let directory = directory.join("gate");
        fs::create_dir_all(&directory)?;
        let new_key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        let (own, issuer) = (new_key()?, new_key()?);
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.self_signed(&own)?;
        fs::write(directory.join("cert.pem"), certificate.pem())?;
        fs::write(directory.join("key.pem"), own.serialize_pem())?;
        fs::write(directory.join("issuer.der"), issuer.subject_public_key_info())?;
        Ok(Self { directory, issuer, port: free_port()?, http: free_port()? })
    }

    /// Where clients find the broker.
    #[must_use]
    pub fn url(&self) -> String {
        format!("pulsar+ssl://127.0.0.1:{}", self.port)
    }

    /// Where it is administered.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.http)
    }

    /// The authority that its certificate is of.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    /// A token that the broker takes for so long.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn token(&self, lasts: Duration) -> Result<String> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let claims = json!({"sub": ADMIN, "exp": (since + lasts).as_secs()});
        let part = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let head = part(json!({"alg": "RS256", "typ": "JWT"}).to_string());
        let signed = format!("{head}.{}", part(claims.to_string()));
        let signature = self.issuer.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The broker's settings. It calls itself with a token of its own.
    pub(super) fn settings(&self) -> Result<Vec<String>> {
        let own = json!({"token": self.token(Duration::from_secs(3_600))?}).to_string();
        let at = |name: &str| -> Result<String> {
            let path = self.directory.join(name);
            path.to_str().map(str::to_owned).context("the directory's name is not UTF-8")
        };
        let token = "org.apache.pulsar.client.impl.auth.AuthenticationToken";
        let provider = "org.apache.pulsar.broker.authentication.AuthenticationProviderToken";
        Ok(vec![
            format!("brokerServicePortTls={}", self.port),
            format!("webServicePortTls={}", self.http),
            format!("tlsCertificateFilePath={}", at("cert.pem")?),
            format!("tlsKeyFilePath={}", at("key.pem")?),
            // A second listener wants threads, too.
            "numHttpServerThreads=8".to_owned(),
            "authenticationEnabled=true".to_owned(),
            "authorizationEnabled=true".to_owned(),
            format!("authenticationRefreshCheckSeconds={LOOKS}"),
            format!("authenticationProviders={provider}"),
            format!("tokenPublicKey=file://{}", at("issuer.der")?),
            format!("superUserRoles={ADMIN}"),
            format!("brokerClientAuthenticationPlugin={token}"),
            format!("brokerClientAuthenticationParameters={own}"),
        ])
    }
}
