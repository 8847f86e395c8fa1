//! **U**: the monitor's own fault is never reported as the target's: a verdict needs an answer of
//! the target that says so.
//!
//! Judged by counting answers and not by times, because a fault may move the node's clocks.

use harness::oracle::Told;

use crate::history::{History, Sighting, TargetLog};

pub(super) fn violations(history: &History) -> Vec<String> {
    let told = history.targets.iter().flat_map(|target| of_target(history, target));
    told.chain(history.sightings.iter().filter_map(shown_wrong)).collect()
}

/// What was shown while a fault lasted.
fn shown_wrong(sighting: &Sighting) -> Option<String> {
    let Sighting { at, under, row, expected } = sighting;
    let says_why = expected != "UNKNOWN" || !row.reason.is_empty();
    (row.health != *expected || !says_why).then(|| {
        format!(
            "{}: {under}: shown {} ({:?}) at {at} ms, must be {expected} with a reason",
            row.id, row.health, row.reason
        )
    })
}

fn of_target(history: &History, target: &TargetLog) -> Vec<String> {
    let events: Vec<&Told> =
        history.state.events.iter().filter(|event| event.subject == target.id).collect();
    let mut wrong = Vec::new();
    for (up, status) in [(true, "HEALTHY"), (false, "CRITICAL")] {
        let mut changes = events.iter().filter(|event| is_new(event, status));
        let (told, spells) = (changes.clone().count(), spells(target, up));
        if told > spells {
            let last = changes.next_back().map(ToString::to_string).unwrap_or_default();
            wrong.push(format!(
                "{}: {told} times told {status}, its target was so {spells} times; last: {last}",
                target.id
            ));
        }
        let never = !target.probes.iter().any(|(_, answer)| *answer == up);
        if let Some(event) = events.iter().find(|event| never && event.status == status) {
            wrong.push(format!("the target never answered so: {event}"));
        }
    }
    wrong
}

/// From one verdict to the opposite; UNKNOWN in between needs no new answer of another kind.
fn is_new(event: &Told, status: &str) -> bool {
    let opposite = if status == "HEALTHY" { "CRITICAL" } else { "HEALTHY" };
    event.status == status && event.previous.as_deref() == Some(opposite)
}

/// How often the target's answers turned to this.
fn spells(target: &TargetLog, up: bool) -> usize {
    let mut before = !up;
    let mut spells = 0;
    for (_, answer) in &target.probes {
        spells += usize::from(*answer == up && before != up);
        before = *answer;
    }
    spells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::Row,
        invariants::fixture::{told, well},
    };

    #[test]
    fn a_target_that_was_always_up_and_is_called_critical_is_found() {
        let mut history = well();
        assert!(violations(&history).is_empty());
        history.state.events.push(told("http:1", 1, 3, 3, "CRITICAL", Some("HEALTHY")));
        assert!(!violations(&history).is_empty());
    }

    #[test]
    fn a_resource_that_could_not_be_checked_must_be_unknown_with_a_reason() {
        for (health, reason, count) in
            [("UNKNOWN", "resolver failed", 0), ("UNKNOWN", "", 1), ("HEALTHY", "", 1)]
        {
            let mut history = well();
            let row = history.state.rows[0].clone();
            let row = Row { health: health.to_owned(), reason: reason.to_owned(), ..row };
            let (under, expected) = ("no DNS".to_owned(), "UNKNOWN".to_owned());
            history.sightings.push(Sighting { at: 1, under, row, expected });
            assert_eq!(violations(&history).len(), count, "{health} {reason}");
        }
    }

    #[test]
    fn a_second_fall_without_a_second_bad_answer_is_found() {
        let mut history = well();
        history.state.events.push(told("http:0", 0, 5, 5, "CRITICAL", Some("HEALTHY")));
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_target_that_was_never_up_and_is_called_healthy_is_found() {
        let mut history = well();
        history.targets[0].probes = vec![(1_000, false)];
        assert!(!violations(&history).is_empty());
    }
}
