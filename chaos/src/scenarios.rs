//! The scenarios, in the order of the fault matrix.

mod bit_flip;
mod broker;
mod clock;
mod crashes;
mod disk_full;
mod disk_lost;
mod dns;
mod exhausted;
mod follower_kill;
mod held;
mod hot_shard;
mod io_error;
mod leader_kill;
mod leader_pause;
mod loss;
mod majority_kill;
mod membership;
mod memory;
mod misread;
mod narrow;
mod one_way;
mod partition;
mod planned;
mod power_cut;
mod replica;
mod restart;
mod slow_disk;
mod starved;
mod torn_tail;
mod victim;
mod weather;

use crate::scenario::Scenario;

/// All scenarios.
pub const ALL: &[Scenario] = &[
    restart::KILL,
    restart::KILL_LONG,
    restart::KILL_POINTS,
    held::KILL_TIMERS,
    leader_kill::LEADER,
    restart::LEADER_POINTS,
    follower_kill::FOLLOWER,
    majority_kill::MAJORITY,
    leader_pause::PAUSE,
    partition::PARTITION,
    partition::RING,
    one_way::ONE_WAY,
    loss::LOSS,
    weather::REORDER,
    weather::DELAY,
    narrow::NARROW_LINK,
    clock::CLOCK,
    clock::CLOCK_OF_THREE,
    disk_full::FULL,
    io_error::ERROR,
    slow_disk::SLOW,
    slow_disk::SLOW_OF_THREE,
    power_cut::POWER,
    power_cut::POWER_OF_ONE,
    power_cut::POWER_OF_ALL,
    torn_tail::TORN,
    torn_tail::TORN_OF_THREE,
    bit_flip::FLIP,
    bit_flip::FLIP_OF_THREE,
    misread::MISREAD,
    disk_lost::LOST,
    broker::BROKER,
    broker::NODES_TOO,
    broker::LINKS_TOO,
    broker::OF_ONE,
    broker::WELL,
    broker::EMPTIED,
    broker::REFUSING,
    dns::DNS,
    memory::SHORT,
    memory::SHORT_OF_THREE,
    starved::STARVED,
    starved::STARVED_OF_THREE,
    planned::PLANNED,
    membership::MEMBERSHIP,
    membership::FOUR,
    hot_shard::HOT,
    hot_shard::MOVING,
    crashes::CRASHES,
    crashes::CRASHES_OF_THREE,
    exhausted::DESCRIPTORS,
    exhausted::DESCRIPTORS_OF_THREE,
    exhausted::THREADS,
    exhausted::THREADS_OF_THREE,
];

/// Those whose row or name is asked for; all where nothing is.
///
/// # Errors
/// Names what no scenario answers to.
pub fn select(wanted: &[String]) -> Result<Vec<Scenario>, String> {
    for word in wanted {
        if !ALL.iter().any(|scenario| answers(scenario, word)) {
            return Err(format!("no scenario is called {word}; `bellwether-chaos list` shows all"));
        }
    }
    let asked = |scenario: &&Scenario| {
        wanted.is_empty() || wanted.iter().any(|word| answers(scenario, word))
    };
    Ok(ALL.iter().filter(asked).copied().collect())
}

fn answers(scenario: &Scenario, word: &str) -> bool {
    scenario.name == word || scenario.row.to_string() == word
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::invariants;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_known_invariants() {
        let names: BTreeSet<_> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
        for scenario in ALL {
            assert_eq!(scenario.checks().len(), scenario.invariants.len(), "{}", scenario.name);
            assert_eq!(scenario.invariants.contains('G'), scenario.gap > 0, "{}", scenario.name);
            assert!(!invariants::select(scenario.invariants).is_empty());
        }
    }

    #[test]
    fn scenarios_are_found_by_row_and_by_name_and_others_are_named() {
        assert_eq!(select(&["1".to_owned()]).unwrap()[0].row, 1);
        assert_eq!(select(&["kill".to_owned()]).unwrap()[0].name, "kill");
        assert!(select(&["xyz".to_owned()]).err().unwrap().contains("xyz"));
    }
}
