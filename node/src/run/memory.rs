//! Watches how much memory this process uses, and how much it may.
//!
//! Invariant: reads are shed before the system ends the process. Writes and reports are not:
//! what they take is bounded by their queues.

mod limit;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

const EVERY: Duration = Duration::from_millis(200);
/// Reads are shed above this share of the limit, and taken again below that one, in percent.
const SHED_ABOVE: u64 = 85;
const TAKE_BELOW: u64 = 80;

/// What the guard has found. Clones share it; the guard ends with the last of them.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    found: Arc<Found>,
    _thread: Arc<Option<DropGuard>>,
}

#[derive(Debug, Default)]
struct Found {
    /// Zero where none is known: then nothing is shed.
    limit: u64,
    resident: AtomicU64,
    shedding: AtomicBool,
}

impl Memory {
    /// Begins to watch, where a limit is configured or the control group has one.
    pub(super) fn watch(configured: Option<u64>) -> Self {
        let Some(limit) = configured.or_else(limit::of_control_group) else {
            info!(
                "no memory limit is known; set node.memory_limit to shed reads before the system runs out"
            );
            return Self { found: Arc::default(), _thread: Arc::default() };
        };
        info!(limit, "lists and watches are refused above 85 % of the memory limit");
        let (found, stop) =
            (Arc::new(Found { limit, ..Found::default() }), CancellationToken::new());
        let (watched, stopped) = (Arc::clone(&found), stop.clone());
        let spawned = thread::Builder::new().name("memory".to_owned()).spawn(move || {
            while !stopped.is_cancelled() {
                if let Some(resident) = resident() {
                    watched.take_in(resident);
                }
                thread::sleep(EVERY);
            }
        });
        if let Err(error) = spawned {
            warn!(%error, "nobody watches the memory limit");
        }
        Self { found, _thread: Arc::new(Some(stop.drop_guard())) }
    }

    /// Why reads are shed now, if they are; those under way may yet take `expected` bytes.
    /// Looks anew, because many reads can come between two looks of the guard.
    pub(super) fn shortage(&self, expected: u64) -> Option<String> {
        if self.found.limit == 0 {
            return None;
        }
        if let Some(resident) = resident() {
            self.found.take_in(resident);
        }
        self.found.shortage(expected)
    }

    /// The limit in bytes, where one is known, and whether reads are shed.
    pub(super) fn limit(&self) -> Option<(u64, bool)> {
        let Found { limit, shedding, .. } = &*self.found;
        (*limit > 0).then(|| (*limit, shedding.load(Relaxed)))
    }
}

impl Found {
    fn take_in(&self, resident: u64) {
        self.resident.store(resident, Relaxed);
        let now = is_short(resident, self.limit, self.shedding.load(Relaxed));
        // Of several that look at once, one tells.
        let was = self.shedding.swap(now, Relaxed);
        let limit = self.limit;
        if now && !was {
            warn!(resident, limit, "memory is short: lists and watches are refused");
        } else if was && !now {
            info!(resident, limit, "there is memory again: lists and watches are answered");
        }
    }

    fn shortage(&self, expected: u64) -> Option<String> {
        let resident = self.resident.load(Relaxed);
        let shedding = self.shedding.load(Relaxed);
        let full = self.limit > 0 && is_short(resident.saturating_add(expected), self.limit, false);
        (shedding || full).then(|| {
            let mib = |bytes: u64| bytes >> 20;
            let used = format!("{} MiB of the {} MiB it may", mib(resident), mib(self.limit));
            if shedding {
                format!("the node uses {used}")
            } else {
                format!("the node uses {used}, and reads under way need {} MiB", mib(expected))
            }
        })
    }
}

fn is_short(resident: u64, limit: u64, shedding: bool) -> bool {
    let share = if shedding { TAKE_BELOW } else { SHED_ABOVE };
    u128::from(resident) * 100 > u128::from(limit) * u128::from(share)
}

/// Bytes of physical memory in use; none where the system has no `/proc`, or no descriptor.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_shed_above_85_percent_and_taken_again_below_80() {
        assert!(!is_short(850, 1_000, false));
        assert!(is_short(851, 1_000, false));
        assert!(is_short(801, 1_000, true), "not at every step back and forth");
        assert!(!is_short(800, 1_000, true));
        let found = Found { limit: 1_000 << 20, ..Found::default() };
        assert_eq!(found.shortage(0), None);
        found.take_in(900 << 20);
        let shortage = found.shortage(0).unwrap();
        assert_eq!(shortage, "the node uses 900 MiB of the 1000 MiB it may");
        found.take_in(700 << 20);
        assert_eq!(found.shortage(100 << 20), None);
        let shortage = found.shortage(200 << 20).unwrap();
        assert!(shortage.ends_with("and reads under way need 200 MiB"), "{shortage}");
    }

    #[test]
    fn without_a_limit_nothing_is_shed_and_this_process_has_a_size() {
        let found = Found::default();
        assert_eq!(found.shortage(1 << 60), None);
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
