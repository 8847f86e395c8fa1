//! Whom a sink trusts, and by which certificate it is known. Files are read for each connection: they
//! may be replaced while the node runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{file_threads::OF_SINKS, sink::SinkError};

/// The files of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PulsarTls {
    /// The authorities that are trusted; those of the system where absent.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the sink shows.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

impl PulsarTls {
    pub(super) async fn load(&self) -> Result<Arc<ClientConfig>, SinkError> {
        let files = self.clone();
        // The system's are many files.
        let loaded = OF_SINKS.run(move || files.read()).await;
        loaded
            .unwrap_or_else(|panic| Err(unfit("TLS", panic.to_string(), "look at the node's log")))
    }

    fn read(&self) -> Result<Arc<ClientConfig>, SinkError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit("TLS", error.to_string(), "look at the node's log"))?
            .with_root_certificates(self.roots()?);
        let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let remedy = "name a certificate and its own private key, both as PEM";
        let failed =
            |error: rustls::Error| unfit(&cert.display().to_string(), error.to_string(), remedy);
        let config = builder.with_client_auth_cert(certificates(cert)?, private_key(key)?);
        config.map(Arc::new).map_err(failed)
    }

    fn roots(&self) -> Result<RootCertStore, SinkError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca_file else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let problem = "it trusts no authority".to_owned();
                return Err(unfit(
                    "this system",
                    problem,
                    "install ca-certificates or set tls.ca_file",
                ));
            }
            return Ok(roots);
        };
        for certificate in certificates(path)? {
            let added = roots.add(certificate);
            added.map_err(|error| unreadable(path, &error.to_string()))?;
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(unreadable(path, "it holds no PEM certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(path, &error.to_string())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SinkError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, &error.to_string()))
}

fn unreadable(path: &Path, problem: &str) -> SinkError {
    let remedy = "let the node's user read it, and have PEM in it";
    unfit(&path.display().to_string(), format!("it cannot be read: {problem}"), remedy)
}

fn unfit(place: &str, problem: String, remedy: &'static str) -> SinkError {
    SinkError::Unfit { place: place.to_owned(), problem, remedy }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refused(files: &PulsarTls) -> String {
        files.read().unwrap_err().to_string()
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(directory.path().join(name));
        let own = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap();
        for (name, content) in [
            ("ca.pem", own.cert.pem()),
            ("own.key", own.signing_key.serialize_pem()),
            ("other.key", other.signing_key.serialize_pem()),
            ("none.pem", "nothing".to_owned()),
        ] {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let good =
            PulsarTls { ca_file: at("ca.pem"), cert_file: at("ca.pem"), key_file: at("own.key") };
        assert!(good.read().is_ok());
        let none = refused(&PulsarTls { ca_file: at("none.pem"), ..good.clone() });
        assert!(none.contains("none.pem") && none.contains("PEM"), "{none}");
        let gone = refused(&PulsarTls { key_file: at("gone.key"), ..good.clone() });
        assert!(gone.contains("gone.key"), "{gone}");
        let mixed = refused(&PulsarTls { key_file: at("other.key"), ..good });
        assert!(mixed.contains("ca.pem") && mixed.contains("its own private key"), "{mixed}");
    }
}
