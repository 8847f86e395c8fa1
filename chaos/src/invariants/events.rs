//! **E**: events per resource are gapless, ordered and unique, and none is missing at the end. Two
//! files may tell the same event, one never does twice.

use std::collections::BTreeMap;

use harness::oracle::EventFile;

use crate::history::History;

pub(super) fn violations(history: &History) -> Vec<String> {
    let state = &history.state;
    if let Some(torn) = &state.torn {
        return vec![format!("the event file cannot be read: {torn}")];
    }
    let file = EventFile { events: state.events.clone() };
    let mut wrong = file.violations();
    let told = file.last_sequences();
    for row in &state.rows {
        let last = told.get(&(row.id.clone(), row.incarnation.clone())).copied();
        if last != Some(row.sequence) {
            wrong.push(format!("{} is at sequence {}, told is {last:?}", row.id, row.sequence));
        }
    }
    wrong.extend(terms_that_fall(history));
    wrong.extend(repeats_within_a_file(history));
    wrong
}

/// A node leads a shard again and again, and goes on behind what it has told.
fn repeats_within_a_file(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, places) in &history.state.files {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (shard, offset) in places {
            let before = last.insert(*shard, *offset);
            if before.is_some_and(|before| before >= *offset) {
                wrong.push(format!("{file}: shard {shard} offset {offset} after {before:?}"));
            }
        }
    }
    wrong
}

/// A deposed leader's event after one of its successor.
fn terms_that_fall(history: &History) -> Vec<String> {
    let mut terms: BTreeMap<u64, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for event in &history.state.events {
        let highest = terms.entry(event.shard).or_default();
        if event.term < *highest {
            wrong.push(format!("after term {highest}, of term {}: {event}", event.term));
        }
        *highest = event.term.max(*highest);
    }
    wrong
}

#[cfg(test)]
mod tests {
    use harness::oracle::Told;

    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_complete_file_is_well() {
        assert_eq!(violations(&well()), Vec::<String>::new());
    }

    #[test]
    fn gaps_repeats_and_inversions_are_found() {
        for doctor in [
            |events: &mut Vec<Told>| drop(events.remove(2)),
            |events: &mut Vec<Told>| events.insert(2, events[1].clone()),
            |events: &mut Vec<Told>| events.swap(1, 2),
        ] as [fn(&mut Vec<Told>); 3]
        {
            let mut history = well();
            doctor(&mut history.state.events);
            assert!(!violations(&history).is_empty());
        }
    }

    #[test]
    fn a_last_event_that_is_missing_is_found() {
        let mut history = well();
        history.state.events.pop();
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn an_event_that_one_file_has_twice_is_found_and_one_that_two_have_is_not() {
        let mut history = well();
        history.state.files = [("n1", vec![(0, 1), (0, 2)]), ("n2", vec![(0, 2), (1, 1), (0, 3)])]
            .map(|(node, places)| (node.to_owned(), places))
            .into();
        assert!(violations(&history).is_empty());
        history.state.files.get_mut("n2").unwrap().push((0, 3));
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn an_event_of_a_deposed_leader_is_found() {
        let mut history = well();
        history.state.events[0].term = 2;
        assert!(!violations(&history).is_empty());
    }
}
