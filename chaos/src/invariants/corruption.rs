//! **D**: damage is found and named, and never served.
//!
//! Either the node shows exactly what it had acknowledged before (the damage hit nothing that
//! counts), or it refuses and says where.

use crate::history::{Damage, History};

/// Words with which a record, a key or a file is named.
const NAMES: [&str; 6] =
    ["key", "record", "checksum", "corrupt", "damaged", "has lost acknowledged entries"];

pub(super) fn violations(history: &History) -> Vec<String> {
    history.damages.iter().filter_map(violation).collect()
}

fn violation(damage: &Damage) -> Option<String> {
    let Damage { round, what, .. } = damage;
    match &damage.refused {
        None if damage.differences.is_empty() => None,
        None => Some(format!("round {round}: {what}: served: {}", damage.differences.join("; "))),
        // That it was noticed by something else was luck.
        Some(words) if damage.found_by.as_ref().is_some_and(|by| !words.contains(by)) => {
            Some(format!("round {round}: {what}: found by chance: {words}"))
        }
        Some(words) if names(words, &damage.file) => None,
        Some(words) => Some(format!("round {round}: {what}: refused without a name: {words}")),
    }
}

fn names(words: &str, file: &str) -> bool {
    let words = words.to_lowercase();
    words.contains(&file.to_lowercase()) || NAMES.iter().any(|name| words.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    fn damage(refused: Option<&str>, differences: &[&str]) -> Damage {
        Damage {
            round: 1,
            what: "000007.sst: bit 5 of byte 90 flipped".to_owned(),
            file: "000007.sst".to_owned(),
            found_by: None,
            refused: refused.map(str::to_owned),
            differences: differences.iter().map(|&d| d.to_owned()).collect(),
        }
    }

    #[test]
    fn damage_that_is_served_is_found_and_so_is_a_refusal_that_names_nothing() {
        for (damage, count) in [
            (damage(None, &[]), 0),
            (damage(Some("Corruption: block checksum mismatch in 000007.sst"), &[]), 0),
            (damage(None, &["http:0 is HEALTHY, was CRITICAL"]), 1),
            (damage(Some("cannot start"), &[]), 1),
        ] {
            let mut history = well();
            history.damages.push(damage.clone());
            assert_eq!(violations(&history).len(), count, "{damage:?}");
        }
    }

    #[test]
    fn what_a_checksum_has_to_find_is_not_found_by_chance() {
        for (words, count) in [("checksum of key 1", 0), ("record of the wrong shape", 1)] {
            let mut history = well();
            let found_by = Some("checksum".to_owned());
            history.damages.push(Damage { found_by, ..damage(Some(words), &[]) });
            assert_eq!(violations(&history).len(), count, "{words}");
        }
    }
}
