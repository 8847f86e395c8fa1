//! The three files as they are on disk.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
};
use tracing::warn;

use super::{TlsError, TlsFiles};

/// What anybody but the owner may do with a file.
const OTHERS: u32 = 0o077;

/// The bytes of the files, kept so that a reload knows whether anything changed.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { ca: read(&files.ca)?, cert: read(&files.cert)?, key: read(&files.key)? })
    }

    /// The authorities to trust.
    pub(super) fn roots(&self, path: &Path) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca, path)? {
            roots.add(certificate).map_err(|_| TlsError::Malformed { path: path.to_owned() })?;
        }
        Ok(roots)
    }

    /// The certificate to show, and those that lead to an authority.
    pub(super) fn chain(&self, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.cert, path)
    }

    pub(super) fn key(&self, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
        warn_of_readers(path);
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            PemError::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
            _ => TlsError::Malformed { path: path.to_owned() },
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|reason| TlsError::Unreadable { path: path.to_owned(), reason })
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Err(_) => Err(TlsError::Malformed { path: path.to_owned() }),
        Ok(found) if found.is_empty() => Err(TlsError::NoCertificate { path: path.to_owned() }),
        Ok(found) => Ok(found),
    }
}

/// Only a warning: containers mount secrets with modes that nobody chose.
fn warn_of_readers(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    if mode & OTHERS != 0 {
        let (path, mode) = (path.display(), format!("{mode:o}"));
        warn!(%path, mode, "the private key is open to other users of this machine; chmod 600 it");
    }
}
