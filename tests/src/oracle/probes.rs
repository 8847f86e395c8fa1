//! What the node counted against what its targets saw (SEMANTICS 7).
//!
//! `results answered ≤ probes received ≤ ok + failed + missed after sending + repeats + in
//! flight at kills`. A probe in flight at a kill is lost or repeated: both are counted by the
//! probes that the target saw shortly before a kill.

use std::time::{Duration, Instant};

use crate::{oracle::Ledger, targets::Probe};

/// Reasons for which a slot can end as missed although its probe was sent.
const AFTER_SENDING: [&str; 3] = ["changed", "crashed", "takeover"];

/// What a killed node had sent, its target may read a moment after the kill.
const IN_THE_SOCKET: Duration = Duration::from_millis(200);

/// When the node was killed, and what was seen before the ledger was read.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The moments of the kills.
    pub kills: Vec<Instant>,
    /// Longer than this before a kill, a result was durable: the interval, within which a
    /// slot has to end.
    pub in_flight: Duration,
    /// Probes that arrived up to here had their slots ended when the ledger was read.
    pub settled: Instant,
}

/// What is wrong with one resource's counts. `probes` is the target's log read *after* the
/// ledger.
#[must_use]
pub fn within_bounds(id: &str, ledger: &Ledger, probes: &[Probe], bounds: &Bounds) -> Vec<String> {
    let mut wrong = Vec::new();
    let received = count(probes, |_| true);
    let (up, down) = (count(probes, |p| p.up), count(probes, |p| !p.up));
    for (what, counted, seen) in [
        ("results", ledger.ok + ledger.failed, received),
        ("passed results", ledger.ok, up),
        ("failed results", ledger.failed, down),
    ] {
        if counted > seen {
            wrong.push(format!("{id}: {counted} {what}, but the target answered {seen}"));
        }
    }
    let settled = count(probes, |p| p.at <= bounds.settled);
    let at_kills = count(probes, |p| bounds.was_in_flight(p.at));
    let sent: u64 = AFTER_SENDING.iter().map(|reason| ledger.missed_for(reason)).sum();
    let most = ledger.ok + ledger.failed + sent + at_kills;
    if settled > most {
        wrong.push(format!(
            "{id}: the target saw {settled} probes, the ledger accounts for {most} ({ledger:?}, \
             {at_kills} in flight at kills)"
        ));
    }
    wrong
}

impl Bounds {
    fn was_in_flight(&self, at: Instant) -> bool {
        let near = |kill: &Instant| at <= *kill + IN_THE_SOCKET && at + self.in_flight >= *kill;
        self.kills.iter().any(near)
    }
}

fn count(probes: &[Probe], wanted: impl Fn(&Probe) -> bool) -> u64 {
    probes.iter().filter(|probe| wanted(probe)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(ok: u64, failed: u64) -> Ledger {
        Ledger { ok, failed, ..Ledger::default() }
    }

    #[test]
    fn semantics_7_counts_that_no_target_can_confirm_are_found() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let probes =
            [(0, true), (1_000, false), (2_000, true)].map(|(ms, up)| Probe { at: at(ms), up });
        let bounds =
            Bounds { kills: vec![], in_flight: Duration::from_millis(500), settled: at(5_000) };
        assert!(within_bounds("a", &ledger(2, 1), &probes, &bounds).is_empty());
        assert_eq!(within_bounds("a", &ledger(3, 1), &probes, &bounds).len(), 2, "invented");
        assert_eq!(within_bounds("a", &ledger(1, 1), &probes, &bounds).len(), 1, "lost");
        let killed = Bounds { kills: vec![at(2_100)], ..bounds };
        assert!(within_bounds("a", &ledger(1, 1), &probes, &killed).is_empty(), "in flight");
    }
}
