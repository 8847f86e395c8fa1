//! Mutual TLS between nodes: what a node shows, and whom it believes.
//!
//! Invariants: both sides of every session show a certificate that an authority of `ca_file` has
//! signed. A node is known by the names in its certificate, never by its address, so the host name
//! is not compared; whoever uses a session compares [`names_of`] with the node that is meant.
//! Sessions are never resumed, so that credentials count from the next handshake on.

mod authority;
mod certificate;
mod contents;
mod error;
mod identity;
mod refusal;
#[cfg(test)]
pub(crate) mod tests;

use std::{fmt, path::PathBuf, sync::Arc, time::SystemTime};

use parking_lot::RwLock;
use rustls::{ClientConfig, ServerConfig};

use self::{contents::Contents, identity::Identity};

pub use certificate::{expires, names_of};
pub use error::TlsError;
pub use refusal::{Reason, Refusal, Side};

/// Where a node's credentials are; all files are in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities that sign the nodes of this cluster: one, or two while one replaces another.
    pub ca: PathBuf,
    /// This node's certificate, followed by those between it and the authority, if there are any.
    pub cert: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
}

/// This node's credentials: cheap to clone, and reloadable while it runs.
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    current: RwLock<Arc<Identity>>,
}

impl Credentials {
    /// Reads the files and checks that other nodes would accept them now.
    ///
    /// # Errors
    /// Names the file that is to be mended, and how.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let identity = Identity::build(&files, Contents::read(&files)?)?;
        let current = RwLock::new(Arc::new(identity));
        Ok(Self(Arc::new(Shared { files, current })))
    }

    /// Reads the files again; true where they have changed and count from the next handshake on.
    ///
    /// Certificate and key are two files: a reload between the renewal of one and of the other is
    /// an error that the next reload does not meet.
    ///
    /// # Errors
    /// As [`Credentials::load`]; the former credentials stay in force.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.0.files)?;
        if contents == self.current().contents {
            return Ok(false);
        }
        let identity = Identity::build(&self.0.files, contents)?;
        *self.0.current.write() = Arc::new(identity);
        Ok(true)
    }

    /// The DNS names in this node's certificate.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.current().names.clone()
    }

    /// When this node's certificate ends.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.current().expires
    }

    /// How to answer other nodes, by the credentials in force now.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current().server)
    }

    /// How to dial other nodes, by the credentials in force now. Any server name will do: it is
    /// neither sent nor compared.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current().client)
    }

    fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.0.current.read())
    }
}

impl fmt::Debug for Credentials {
    // By hand: the key is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("files", &self.0.files).finish_non_exhaustive()
    }
}
