//! **C**: once all is healed, what is shown is what the targets are, and every node of several shows
//! the same of the shards that it holds.

use std::collections::BTreeMap;

use super::timers;
use crate::history::{History, Replica, Row};

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut wrong = timers::violations(history);
    for target in &history.targets {
        let truth = if target.up { "HEALTHY" } else { "CRITICAL" };
        match history.row(&target.id) {
            None => wrong.push(format!("{} is not there", target.id)),
            Some(row) if row.health != truth => wrong.push(format!(
                "{} is shown {} ({}), its target is {truth}",
                target.id, row.health, row.reason
            )),
            Some(_) => {}
        }
    }
    wrong.extend(history.state.replicas.iter().flat_map(|replica| differences(history, replica)));
    wrong
}

/// What a node shows otherwise than the others.
fn differences(history: &History, replica: &Replica) -> Vec<String> {
    let held = |row: &&Row| replica.shards.contains(&row.shard);
    let all = history.state.rows.iter().filter(held).map(|row| (row.id.as_str(), row));
    let mut missing: BTreeMap<&str, &Row> = all.collect();
    let mut wrong = Vec::new();
    for row in replica.rows.iter().filter(held) {
        match missing.remove(row.id.as_str()) {
            Some(other) if other == row => {}
            Some(other) => wrong.push(format!("{} shows {row:?}, must be {other:?}", replica.node)),
            None => wrong.push(format!("{} shows {row:?}, which is not there", replica.node)),
        }
    }
    wrong.extend(missing.keys().map(|id| format!("{} does not show {id}", replica.node)));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_row_that_is_wrong_or_missing_is_found() {
        let mut history = well();
        assert!(violations(&history).is_empty());
        history.targets[0].up = false;
        history.state.rows.remove(1);
        assert_eq!(violations(&history).len(), 2);
    }

    #[test]
    fn a_replica_that_differs_or_lacks_a_row_of_a_shard_that_it_holds_is_found() {
        let mut history = well();
        history.state.rows[2].shard = 1;
        let rows = history.state.rows[..2].to_vec();
        let node = "n2".to_owned();
        history.state.replicas = vec![Replica { node, shards: [0].into(), rows }];
        assert!(violations(&history).is_empty());
        let replica = &mut history.state.replicas[0];
        replica.rows[0].sequence -= 1;
        replica.rows[1].id = "http:9".to_owned();
        assert_eq!(violations(&history).len(), 3);
        history.state.replicas[0].shards.insert(1);
        assert_eq!(violations(&history).len(), 4);
    }
}
