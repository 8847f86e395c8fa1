//! What went wrong, and whose doing it was (SEMANTICS 4).
//!
//! Invariant: only what the target or the way to it did is a failure; what this host could
//! not do is a miss.

use std::{error::Error, fmt, io};

use model::{Metrics, Miss, Outcome, Severity, outcome::clean};
use rustix::io::Errno;

use super::Finding;

/// Why a probe ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The target did not do what was asked.
    Failed { severity: Severity, reason: String },
    /// This host could not ask.
    Missed { reason: Miss, detail: String },
}

/// What a connection was used for when something happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The TCP handshake.
    Connecting,
    /// The TLS handshake.
    Handshake,
    /// Between the request and the answer.
    Waiting,
    /// The body of the answer.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "while connecting",
            Self::Handshake => "in the TLS handshake",
            Self::Waiting => "while waiting for the answer",
            Self::Body => "in the body",
        })
    }
}

impl Fault {
    /// The target's failure, counting towards CRITICAL.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { severity: Severity::Critical, reason: reason.into() }
    }

    /// This host's own shortcoming.
    pub(crate) fn missed(reason: Miss, detail: impl Into<String>) -> Self {
        Self::Missed { reason, detail: detail.into() }
    }

    /// The peer was silent for too long.
    pub(crate) fn timed_out(phase: Phase, peer: impl fmt::Display) -> Self {
        Self::failed(format!("timed out {phase} ({peer})"))
    }

    /// The peer ended the connection.
    pub(crate) fn closed(phase: Phase, peer: impl fmt::Display) -> Self {
        Self::failed(format!("connection closed by {peer} {phase}"))
    }

    /// What an error of a socket means.
    pub(crate) fn io(error: &io::Error, phase: Phase, peer: impl fmt::Display) -> Self {
        if let Some(miss) = own_doing(error) {
            return Self::missed(miss, format!("{error} ({peer})"));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Self::failed(format!("connection refused by {peer}"))
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::failed(format!("connection reset by {peer} {phase}"))
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => {
                Self::closed(phase, peer)
            }
            io::ErrorKind::TimedOut => Self::timed_out(phase, peer),
            io::ErrorKind::HostUnreachable => Self::failed(format!("host unreachable: {peer}")),
            _ => Self::failed(format!("{} {phase} ({peer})", bare(error))),
        }
    }

    /// Whether the target is to blame.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// Of two attempts, the fault to report: the later one, but a target's failure is not
    /// forgotten over a later attempt that this host could not make.
    pub(crate) fn or_later(self, later: Self) -> Self {
        if self.is_failure() && !later.is_failure() { self } else { later }
    }
}

/// The finding of a probe that has ended, one way or the other.
pub(crate) fn conclude(result: Result<Outcome, Fault>, metrics: Metrics) -> Finding {
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(Fault::Failed { severity, reason }) => Outcome::Failed { severity, reason },
        Err(Fault::Missed { reason, detail }) => {
            return Finding::Missed { reason, detail: clean(&detail) };
        }
    };
    Finding::Concluded { outcome: outcome.sanitized(), metrics: metrics.sanitized() }
}

/// The first error of a kind in a chain of causes.
pub(crate) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
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

/// The miss, if the error tells of this host rather than of the target. "Host unreachable"
/// is left to the target: the network's own word for a host that is down is the same.
fn own_doing(error: &io::Error) -> Option<Miss> {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            return Some(Miss::NoRoute);
        }
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse | io::ErrorKind::OutOfMemory => {
            return Some(Miss::Resources);
        }
        io::ErrorKind::PermissionDenied => return Some(Miss::Permission),
        _ => {}
    }
    match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN => {
            Some(Miss::Resources)
        }
        Errno::AFNOSUPPORT => Some(Miss::NoRoute),
        _ => None,
    }
}

/// An error without the number that the standard library appends.
fn bare(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(errno: Errno) -> Fault {
        Fault::io(&io::Error::from(errno), Phase::Connecting, "10.0.0.1:80")
    }

    #[test]
    fn semantics_4_what_the_target_did_is_a_failure() {
        for (errno, reason) in [
            (Errno::CONNREFUSED, "connection refused by 10.0.0.1:80"),
            (Errno::CONNRESET, "connection reset by 10.0.0.1:80 while connecting"),
            (Errno::TIMEDOUT, "timed out while connecting (10.0.0.1:80)"),
            (Errno::HOSTUNREACH, "host unreachable: 10.0.0.1:80"),
            (Errno::PROTO, "protocol error while connecting (10.0.0.1:80)"),
        ] {
            assert_eq!(io(errno), Fault::failed(reason));
        }
    }

    #[test]
    fn semantics_4_what_this_host_could_not_do_is_a_miss() {
        for (errno, miss) in [
            (Errno::NETUNREACH, Miss::NoRoute),
            (Errno::NETDOWN, Miss::NoRoute),
            (Errno::AFNOSUPPORT, Miss::NoRoute),
            (Errno::MFILE, Miss::Resources),
            (Errno::NFILE, Miss::Resources),
            (Errno::NOBUFS, Miss::Resources),
            (Errno::NOMEM, Miss::Resources),
            (Errno::ADDRNOTAVAIL, Miss::Resources),
            (Errno::PERM, Miss::Permission),
            (Errno::ACCESS, Miss::Permission),
        ] {
            assert!(
                matches!(io(errno), Fault::Missed { reason, .. } if reason == miss),
                "{errno:?}"
            );
        }
    }

    #[test]
    fn a_targets_failure_is_not_forgotten_over_a_later_miss() {
        let refused = io(Errno::CONNREFUSED);
        let no_route = io(Errno::NETUNREACH);
        assert_eq!(refused.clone().or_later(no_route.clone()), refused);
        assert_eq!(no_route.or_later(refused.clone()), refused);
    }
}
