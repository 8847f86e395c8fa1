//! **P**: a slot takes one result, every slot ends, and no result is counted that no target saw
//! (SEMANTICS 6, 7, 22); where leads
//! move only in order, each slot has a result (SEMANTICS 23).

use harness::oracle::Ledger;

use crate::history::{History, TargetLog};

/// Reasons with which a slot ends before its probe is sent.
const NEVER_SENT: [&str; 2] = ["restart", "takeover"];
/// What a process that ended had sent may be read by its target a moment later, in ms.
pub(crate) const IN_THE_SOCKET: u64 = 500;
/// How long a leader that was cut off or frozen may go on to touch targets, in ms: until it knows.
pub(crate) const UNTIL_IT_KNOWS: u64 = 2_000;

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut wrong = history.state.ledger_errors.clone();
    for target in &history.targets {
        match history.state.ledgers.get(&target.id) {
            Some(ledger) => wrong.extend(counts(history, target, ledger)),
            None => wrong.push(format!("{}: no ledger", target.id)),
        }
    }
    wrong
}

fn counts(history: &History, target: &TargetLog, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    let id = &target.id;
    let recorded = ledger.ok + ledger.failed + ledger.missed_total();
    if ledger.expected != recorded {
        wrong.push(format!("{id}: {} slots expected, {recorded} recorded", ledger.expected));
    }
    if history.bounds.planned && ledger.missed_total() > 0 {
        wrong.push(format!("{id}: slots were missed, {:?}, and nothing has failed", ledger.missed));
    }
    let (up, down) = (count(target, |_, up| up), count(target, |_, up| !up));
    for (what, counted, seen) in [("passed", ledger.ok, up), ("failed", ledger.failed, down)] {
        if counted > seen {
            wrong.push(format!("{id}: {counted} {what} results, the target answered {seen} so"));
        }
    }
    if !history.bounds.clock_moves {
        wrong.extend(unaccounted(history, target, ledger));
    }
    wrong
}

/// Probes that reached the target and are in no slot.
fn unaccounted(history: &History, target: &TargetLog, ledger: &Ledger) -> Option<String> {
    let never: u64 = NEVER_SENT.iter().map(|reason| ledger.missed_for(reason)).sum();
    let settled = count(target, |at, _| at <= history.state.settled);
    let in_flight = count(target, |at, _| was_in_flight(history, at));
    let most = ledger.ok + ledger.failed + (ledger.missed_total() - never) + in_flight;
    (settled > most)
        .then(|| format!("{}: {settled} probes arrived, slots and ends explain {most}", target.id))
}

fn was_in_flight(history: &History, at: u64) -> bool {
    let interval = history.bounds.interval;
    let near = |moment: u64, after: u64| at + interval >= moment && at <= moment + after;
    history.stops().any(|stop| near(stop, IN_THE_SOCKET))
        || history.turns.iter().any(|turn| near(*turn, UNTIL_IT_KNOWS))
}

fn count(target: &TargetLog, which: impl Fn(u64, bool) -> bool) -> u64 {
    target.probes.iter().filter(|(at, up)| which(*at, *up)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_slot_that_is_missing_or_counted_twice_is_found() {
        assert_eq!(violations(&well()), Vec::<String>::new());
        for ok in [1, 3] {
            let mut history = well();
            history.state.ledgers.get_mut("http:0").unwrap().ok = ok;
            assert!(!violations(&history).is_empty(), "{ok}");
        }
    }

    #[test]
    fn a_slot_that_is_missed_is_found_where_nothing_has_failed() {
        let mut history = well();
        let ledger = history.state.ledgers.get_mut("http:0").unwrap();
        (ledger.ok, ledger.missed) = (ledger.ok - 1, [("overload".to_owned(), 1)].into());
        assert_eq!(violations(&history), Vec::<String>::new());
        history.bounds.planned = true;
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_result_that_no_target_gave_is_found() {
        let mut history = well();
        let ledger = history.state.ledgers.get_mut("http:1").unwrap();
        (ledger.ok, ledger.failed) = (2, 1);
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_probe_that_is_in_no_slot_is_found_unless_the_process_ended() {
        let mut history = well();
        history.targets[0].probes.insert(1, (1_500, true));
        assert_eq!(violations(&history).len(), 1);
        history.ends[0].at = 1_800;
        assert!(violations(&history).is_empty());
        history.ends[0].at = 9_000;
        history.turns = vec![6_000];
        assert_eq!(violations(&history).len(), 1);
        history.turns = vec![1_200];
        assert!(violations(&history).is_empty());
    }

    #[test]
    fn a_target_without_a_ledger_is_found() {
        let mut history = well();
        history.state.ledgers.clear();
        assert_eq!(violations(&history).len(), 2);
    }
}
