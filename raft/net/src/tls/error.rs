//! Why credentials cannot be used, and what to do about it.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

/// Why this node's credentials cannot be used. Names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or closed to this process.
    #[error("cannot read {path}: {reason}; {}", remedy(reason))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A file has no certificate.
    #[error("{path} holds no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file has no key, or only an encrypted one.
    #[error("{path} holds no private key in PEM; keys that are encrypted cannot be used")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// What a file has cannot be understood.
    #[error(
        "{path} is damaged, or of a kind that is not supported; copy it again, or make another \
         with `bellwether certs`"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are not a pair.
    #[error(
        "the key in {key} does not belong to the certificate in {cert}; take both from the same \
         run of `bellwether certs`"
    )]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        cert: PathBuf,
    },
    /// Other nodes would not know who signed the certificate.
    #[error(
        "the certificate in {cert} is not signed by an authority in {ca}; make it with this \
         cluster's ca.pem and ca.key"
    )]
    ForeignAuthority {
        /// The certificate's file.
        cert: PathBuf,
        /// The authorities' file.
        ca: PathBuf,
    },
    /// The certificate has ended.
    #[error(
        "the certificate in {cert} expired on {on}; make another where ca.key is, with \
         `bellwether certs --out DIR --renew NAME`"
    )]
    Expired {
        /// The certificate's file.
        cert: PathBuf,
        /// The day, in UTC.
        on: String,
    },
    /// The certificate has not begun.
    #[error(
        "the certificate in {cert} is not valid before {from}; if that day is past, set this \
         machine's clock"
    )]
    NotYetValid {
        /// The certificate's file.
        cert: PathBuf,
        /// The day, in UTC.
        from: String,
    },
    /// A node both dials and answers; the certificate allows only one of them.
    #[error(
        "the certificate in {cert} lacks one of the extended key usages serverAuth and \
         clientAuth; make another with both"
    )]
    WrongUsage {
        /// The certificate's file.
        cert: PathBuf,
    },
    /// Other nodes would not know whose certificate it is.
    #[error(
        "the certificate in {cert} has no DNS name; make another whose DNS name is this node's \
         name"
    )]
    Nameless {
        /// The certificate's file.
        cert: PathBuf,
    },
    /// Something else that other nodes would not accept.
    #[error(
        "other nodes would not accept the certificate in {cert}: {reason}; make another with \
         `bellwether certs`"
    )]
    Unacceptable {
        /// The certificate's file.
        cert: PathBuf,
        /// What rustls says.
        reason: rustls::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "make it with `bellwether certs`, or correct its path under `tls`",
        ErrorKind::PermissionDenied => "let the user that the node runs as read it",
        _ => "is its path under `tls` right?",
    }
}
