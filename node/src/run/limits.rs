//! Descriptors: raises what the system allows as far as it goes without privileges, and shares
//! it out, so that neither clients nor probes take those that the store needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// What tables, logs and files of events need.
const STORE: u64 = 256;
/// With fewer a node cannot keep its store open.
const LEAST: u64 = 128;
/// A probe may hold a connection and ask for a name, or try two addresses.
const OF_A_PROBE: u64 = 2;
const MOST_PROBES: u64 = 2_048;
const MOST_CONNECTIONS: u64 = 16_384;

/// Who may use how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Probes that run at the same time.
    pub(super) probes: usize,
    /// Connections of clients.
    pub(super) connections: usize,
}

/// The system allows too few files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "only {0} files may be open at the same time, a node needs {LEAST} and watches much better \
     with 65536; raise it with `ulimit -n 65536`, or LimitNOFILE= in the service"
)]
pub(super) struct TooFew(u64);

/// Raises the soft limit to the hard one and shares it out.
///
/// # Errors
/// There are too few to run at all.
pub(super) fn share_descriptors() -> Result<Descriptors, TooFew> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!(%error, current = ?limit.current, "the limit of open files stays as it is");
            limit.current
        }
    };
    // Absent is unlimited.
    let allowed = allowed.unwrap_or(u64::MAX);
    let shares = share(allowed)?;
    let Descriptors { probes, connections } = shares;
    if limit.current.is_some_and(|before| before < allowed) {
        info!(from = limit.current, to = allowed, "raised the limit of open files");
    }
    if (probes as u64) < MOST_PROBES {
        warn!(
            allowed,
            probes, connections, "few files may be open; raise LimitNOFILE= or ulimit -n"
        );
    }
    Ok(shares)
}

/// A quarter is left to the store where that is less than it likes; half of the rest goes to
/// probes.
fn share(allowed: u64) -> Result<Descriptors, TooFew> {
    if allowed < LEAST {
        return Err(TooFew(allowed));
    }
    let rest = allowed - STORE.min(allowed / 2);
    let probes = (rest / 2 / OF_A_PROBE).min(MOST_PROBES);
    let connections = (rest - probes * OF_A_PROBE).min(MOST_CONNECTIONS);
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Descriptors { probes: count(probes), connections: count(connections) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_what_is_allowed_and_leave_some_to_the_store() {
        for allowed in [128, 200, 256, 1_024, 4_096, 65_536, u64::MAX] {
            let Descriptors { probes, connections } = share(allowed).unwrap();
            let used = probes as u64 * OF_A_PROBE + connections as u64;
            assert!(probes >= 16 && connections >= 32, "{allowed}");
            assert!(used <= allowed - STORE.min(allowed / 2), "{allowed}");
        }
        let plenty = Descriptors { probes: 2_048, connections: 16_384 };
        assert_eq!(share(65_536), Ok(plenty));
    }

    #[test]
    fn too_few_are_refused_with_the_remedy() {
        let refused = share(64).unwrap_err().to_string();
        assert!(refused.contains("only 64") && refused.contains("ulimit -n"), "{refused}");
    }
}
