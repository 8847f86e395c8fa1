//! Root certificates: the system's, read once, and those of files, shared between checks
//! and read again when a file changes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use model::Miss;
use parking_lot::Mutex;
use rustls::{
    RootCertStore,
    client::WebPkiServerVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::probe::{
    budget::Budget,
    fault::Fault,
    files::{Stamp, certificates, in_time},
};

type Verifier = Arc<WebPkiServerVerifier>;

/// Whom a check trusts.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// Certificates are not judged.
    Anybody,
    /// The authorities that this system trusts.
    System,
    /// Those in a file, instead of the system's.
    File(Arc<CaFile>),
}

/// A file of certificates, read when needed.
#[derive(Debug)]
pub(crate) struct CaFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Verifier)>>,
}

/// All roots that are in use.
pub(super) struct Roots {
    provider: Arc<CryptoProvider>,
    system: Mutex<Option<Verifier>>,
    files: Mutex<HashMap<PathBuf, Weak<CaFile>>>,
}

impl Roots {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, system: Mutex::default(), files: Mutex::default() }
    }

    pub(super) fn trust(&self, verify: bool, ca_file: Option<&str>) -> Trust {
        match ca_file {
            _ if !verify => Trust::Anybody,
            Some(path) => Trust::File(self.file(Path::new(path))),
            None => Trust::System,
        }
    }

    pub(super) async fn verifier(
        &self,
        trust: &Trust,
        budget: Budget,
    ) -> Result<Option<Verifier>, Fault> {
        match trust {
            Trust::Anybody => Ok(None),
            Trust::System => in_time(self.system(), budget).await.map(Some),
            Trust::File(file) => in_time(self.of_file(file), budget).await.map(Some),
        }
    }

    fn file(&self, path: &Path) -> Arc<CaFile> {
        let mut files = self.files.lock();
        if let Some(file) = files.get(path).and_then(Weak::upgrade) {
            return file;
        }
        files.retain(|_, file| file.strong_count() > 0);
        let file = Arc::new(CaFile { path: path.to_owned(), read: Mutex::default() });
        files.insert(path.to_owned(), Arc::downgrade(&file));
        file
    }

    async fn system(&self) -> Result<Verifier, Fault> {
        if let Some(verifier) = self.system.lock().clone() {
            return Ok(verifier);
        }
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        let certificates = found.map(|found| found.certs).unwrap_or_default();
        let verifier = self.verifier_of(certificates).ok_or_else(|| {
            Fault::missed(
                Miss::Secret,
                "this system has no root certificates; install ca-certificates or set ca_file",
            )
        })?;
        *self.system.lock() = Some(Arc::clone(&verifier));
        Ok(verifier)
    }

    async fn of_file(&self, file: &CaFile) -> Result<Verifier, Fault> {
        let stamp = Stamp::of_distant(&file.path).await;
        if let (Some(stamp), Some((read, verifier))) = (stamp, &*file.read.lock())
            && stamp == *read
        {
            return Ok(Arc::clone(verifier));
        }
        let pem = certificates(&file.path).await?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let verifier = found.ok().and_then(|found| self.verifier_of(found)).ok_or_else(|| {
            let path = file.path.display();
            Fault::missed(Miss::Secret, format!("{path} holds no usable certificate in PEM"))
        })?;
        *file.read.lock() = stamp.map(|stamp| (stamp, Arc::clone(&verifier)));
        Ok(verifier)
    }

    fn verifier_of(&self, certificates: Vec<CertificateDer<'static>>) -> Option<Verifier> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        let builder = WebPkiServerVerifier::builder_with_provider(
            Arc::new(store),
            Arc::clone(&self.provider),
        );
        builder.build().ok()
    }
}
