//! Raises what the system allows this process, as far as it may go without privileges.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Every probe needs a descriptor, and so does every client.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, current = ?limit.current, "the limit of open files stays as it is");
    }
}
