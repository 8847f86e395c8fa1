//! Why a handshake was refused, by this side or by the other.

use std::{error::Error as StdError, fmt, io};

use rustls::{AlertDescription, CertificateError, Error};

/// A refused handshake: for the log in words, for a counter by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who refused.
    pub by: Side,
    /// Why.
    pub reason: Reason,
}

/// One of the two sides of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This node, of the other.
    Here,
    /// The other node, of this one; an alert said so (RFC 8446, section 6.2).
    There,
}

/// What a refusing side did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No certificate was shown.
    NoCertificate,
    /// The certificate is of an authority that is not trusted.
    ForeignAuthority,
    /// The certificate has ended. An alert does not tell this from [`Reason::NotYetValid`].
    Expired,
    /// The certificate has not begun; clocks may differ.
    NotYetValid,
    /// The certificate is not meant for this side of a connection.
    WrongUsage,
    /// The other side does not speak TLS.
    NotTls,
    /// Anything else, in words: a closed connection, too.
    Other(String),
}

impl Refusal {
    /// Reads an error of a handshake, or of the first read after it: by TLS 1.3 a client's
    /// handshake is over before the server has judged its certificate.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        match cause(error) {
            Some(Error::AlertReceived(alert)) => Self { by: Side::There, reason: told(*alert) },
            Some(found) => Self { by: Side::Here, reason: judged(found) },
            None => Self { by: Side::Here, reason: Reason::Other(error.to_string()) },
        }
    }

    /// A word for a counter: one of `no_certificate`, `foreign_authority`, `expired`,
    /// `not_yet_valid`, `wrong_usage`, `not_tls` and `other`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self.reason {
            Reason::NoCertificate => "no_certificate",
            Reason::ForeignAuthority => "foreign_authority",
            Reason::Expired => "expired",
            Reason::NotYetValid => "not_yet_valid",
            Reason::WrongUsage => "wrong_usage",
            Reason::NotTls => "not_tls",
            Reason::Other(_) => "other",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            Side::Here => f.write_str(here(&self.reason)),
            Side::There => f.write_str(there(&self.reason)),
        }
    }
}

/// Words for what this node did not accept.
fn here(reason: &Reason) -> &str {
    match reason {
        Reason::NoCertificate => {
            "the other side showed no certificate; give it a `tls` section, if it is a node"
        }
        Reason::ForeignAuthority => {
            "the other side's certificate is not signed by an authority of this node's ca_file; \
             are both of the same cluster?"
        }
        Reason::Expired => {
            "the other side's certificate has expired; make another where ca.key is, with \
             `bellwether certs --out DIR --renew NAME`"
        }
        Reason::NotYetValid => {
            "the other side's certificate is not valid yet; compare the clocks of both machines"
        }
        Reason::WrongUsage => {
            "the other side's certificate lacks an extended key usage; a node's has both \
             serverAuth and clientAuth"
        }
        Reason::NotTls => {
            "the other side does not speak TLS; give all nodes of a cluster a `tls` section, or none"
        }
        Reason::Other(text) => text,
    }
}

/// Words for what the other node did not accept.
fn there(reason: &Reason) -> &str {
    match reason {
        Reason::NoCertificate => "the other side wants a certificate, and this node showed none",
        Reason::ForeignAuthority => {
            "the other side's ca_file has no authority that signed this node's certificate; are \
             both of the same cluster?"
        }
        Reason::Expired | Reason::NotYetValid => {
            "the other side finds this node's certificate expired or not valid yet; renew it with \
             `bellwether certs --out DIR --renew NAME`, or compare the clocks of both machines"
        }
        Reason::WrongUsage => {
            "the other side finds that this node's certificate lacks an extended key usage; a \
             node's has both serverAuth and clientAuth"
        }
        Reason::NotTls => "the other side did not understand this node's TLS",
        Reason::Other(text) => text,
    }
}

/// What an error of this side's own judgement means.
fn judged(error: &Error) -> Reason {
    match error {
        Error::NoCertificatesPresented => Reason::NoCertificate,
        Error::InvalidCertificate(certificate) => flaw(certificate),
        Error::InvalidMessage(_) => Reason::NotTls,
        Error::NoApplicationProtocol => {
            Reason::Other("the other side does not offer HTTP/2".to_owned())
        }
        other => Reason::Other(other.to_string()),
    }
}

fn flaw(error: &CertificateError) -> Reason {
    match error {
        // A bad signature: another authority bears the name of this one, as all clusters' do.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Reason::ForeignAuthority
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Reason::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Reason::NotYetValid
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Reason::WrongUsage
        }
        other => Reason::Other(format!("the other side's certificate is not acceptable: {other}")),
    }
}

/// What an alert means, where the other side is a node, too.
fn told(alert: AlertDescription) -> Reason {
    match alert {
        AlertDescription::CertificateRequired => Reason::NoCertificate,
        // The latter for a bad signature: see `flaw`.
        AlertDescription::UnknownCA | AlertDescription::DecryptError => Reason::ForeignAuthority,
        AlertDescription::CertificateExpired => Reason::Expired,
        AlertDescription::UnsupportedCertificate => Reason::WrongUsage,
        AlertDescription::NoApplicationProtocol => {
            Reason::Other("the other side does not speak HTTP/2 over TLS".to_owned())
        }
        other => Reason::Other(format!("the other side refused the handshake: {other:?}")),
    }
}

/// The first error of TLS in a chain of causes.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an `io::Error` is that of the error inside, not the error inside.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}
