//! **C**: once all is healed, what is shown is what the targets are.

use super::timers;
use crate::history::History;

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
}
