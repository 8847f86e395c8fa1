//! **M**: memory is bounded, and the node neither ends by itself nor fails to come back.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{End, History, Pressure, Resident, Steady};

pub(super) fn violations(history: &History) -> Vec<String> {
    let ends = history.ends.iter().filter(|end| !end.expected);
    let told = |end: &End| format!("{} ended by itself at {} ms: {}", end.node, end.at, end.how);
    let mut wrong: Vec<String> = ends.map(told).collect();
    let peak = history.memory.iter().max_by_key(|resident| resident.1);
    if let Some(Resident(at, bytes, node)) = peak.filter(|peak| peak.1 > history.bounds.memory) {
        wrong.push(format!(
            "{} MiB resident in {node} at {at} ms, the bound is {} MiB",
            bytes >> 20,
            history.bounds.memory >> 20
        ));
    }
    wrong.extend(writes_that_stopped(history));
    wrong.extend(elections(history));
    wrong.extend(history.steady.iter().flat_map(spurious));
    wrong
}

/// Elections for which nobody was away.
fn spurious(steady: &Steady) -> Vec<String> {
    let Steady { from, until, before, after } = steady;
    let changed = before.iter().filter_map(|(group, term)| {
        let now = after.get(group).filter(|now| *now != term)?;
        Some(format!("{group} went from term {term} to {now} from {from} to {until} ms"))
    });
    changed.collect()
}

/// Reads are shed so that writes go on.
fn writes_that_stopped(history: &History) -> Vec<String> {
    let stopped = |pressure: &&Pressure| {
        let within = pressure.from..=pressure.until;
        let mut acknowledged = history.writes.iter().filter_map(|write| write.acknowledged);
        !acknowledged.any(|at| within.contains(&at))
    };
    let told = |pressure: &Pressure| {
        let Pressure { from, until, refused, .. } = pressure;
        format!("no write went through from {from} to {until} ms; {refused} reads were refused")
    };
    history.pressures.iter().filter(stopped).map(told).collect()
}

/// A single voter has one term for each start. Of several, each one that comes, goes, or is
/// otherwise disturbed may cost an election, or a lead that is handed on: terms count all of them.
fn elections(history: &History) -> Vec<String> {
    let mut terms: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for event in &history.state.events {
        terms.entry(event.shard).or_default().insert(event.term);
    }
    let starts = history.starts.len();
    let several = history.bounds.nodes > 1;
    let most = if several { starts + history.ends.len() + history.faults.len() } else { starts };
    let terms = terms.into_iter().map(|(shard, terms)| {
        let highest = terms.last().copied().and_then(|term| usize::try_from(term).ok());
        (shard, if several { highest.unwrap_or(usize::MAX) } else { terms.len() })
    });
    let told = |(shard, terms)| format!("shard {shard} had {terms} terms, at most {most} are well");
    terms.filter(|(_, terms)| *terms > most).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn an_end_that_nobody_wanted_is_found() {
        let mut history = well();
        assert!(violations(&history).is_empty());
        history.ends[0].expected = false;
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn writes_that_stop_under_pressure_are_found() {
        let mut history = well();
        let pressure = |from, until| Pressure { from, until, answered: 5, refused: 5 };
        history.pressures.push(pressure(150, 250));
        assert!(violations(&history).is_empty());
        history.pressures.push(pressure(450, 900));
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn an_election_without_a_start_is_found() {
        let mut history = well();
        history.state.events.last_mut().unwrap().term = 2;
        assert!(violations(&history).is_empty());
        history.state.events[3].term = 2;
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_lead_that_moves_to_and_fro_between_several_nodes_is_found() {
        let mut history = well();
        history.bounds.nodes = 3;
        history.state.events.last_mut().unwrap().term = 2;
        assert!(violations(&history).is_empty());
        history.state.events.last_mut().unwrap().term = 3;
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn an_election_while_all_were_there_is_found() {
        let mut history = well();
        let terms = |term| [("shard 0".to_owned(), term), ("meta".to_owned(), 4)].into();
        history.steady.push(Steady { from: 1, until: 2, before: terms(3), after: terms(3) });
        assert!(violations(&history).is_empty());
        history.steady.push(Steady { from: 1, until: 2, before: terms(3), after: terms(5) });
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn memory_above_its_bound_is_found() {
        let mut history = well();
        history.memory.push(Resident(2_000, 2 << 30, "n1".to_owned()));
        assert_eq!(violations(&history).len(), 1);
    }
}
