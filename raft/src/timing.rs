//! When a leader says that it lives, and when the others believe that it does not (SEMANTICS 25).
//!
//! Elections begin in turns once the lease has ended ([`crate::elections`]). openraft's own, which
//! stay behind them, begin 750 to 1,000 ms after the last heartbeat: it (0.10.0-alpha.37) counts the
//! timeout from the end of the lease, which is the longest timeout.

use std::time::Duration;

/// Between two heartbeats of a leader.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(100);
/// Nobody votes for another so soon after a heartbeat, and a leader that no majority has answered
/// for so long may have been replaced.
pub(crate) const LEASE: Duration = Duration::from_millis(500);
/// The shortest that a follower waits beyond the lease; the longest is the lease.
pub(crate) const ELECTION: Duration = Duration::from_millis(250);

/// How long a heartbeat may wait for its answer. openraft takes its own interval for that, which
/// would have nodes that are 100 ms apart never hear of each other; and it looks at its clocks five
/// times in it.
pub(crate) const ANSWER: Duration = Duration::from_millis(240);

/// As openraft's configuration has it.
pub(crate) const fn millis(span: Duration) -> u64 {
    span.as_secs() * 1_000 + span.subsec_millis() as u64
}
