//! **A**: no acknowledged write is lost.
//!
//! A resource has one writer, whose versions rise. What is shown must be at least what was
//! acknowledged before the look, and nothing that nobody wrote.

use std::collections::BTreeMap;

use crate::history::{History, WriteNote};

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut by_id: BTreeMap<&str, Vec<&WriteNote>> = BTreeMap::new();
    for write in &history.writes {
        by_id.entry(&write.id).or_default().push(write);
    }
    let refused = history.refused.iter().map(|why| format!("a write never came through: {why}"));
    let lost = by_id.iter().filter_map(|(id, writes)| violation(history, id, writes));
    refused.chain(lost).collect()
}

fn violation(history: &History, id: &str, writes: &[&WriteNote]) -> Option<String> {
    let state = &history.state;
    let before = |write: &&&WriteNote| write.acknowledged.is_some_and(|at| at <= state.asked);
    let least = writes.iter().filter(before).map(|write| write.version).max();
    let most = writes.iter().filter(|w| w.asked <= state.answered).map(|w| w.version).max();
    let shown = history.row(id).and_then(|row| row.version);
    let kept = match (least, shown) {
        (None, None) => true,
        (Some(_), None) => false,
        (least, Some(shown)) => least.is_none_or(|l| l <= shown) && most >= Some(shown),
    };
    (!kept).then(|| {
        format!("{id}: version {least:?} was acknowledged, {most:?} asked for, {shown:?} is there")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_write_that_went_back_is_found() {
        let mut history = well();
        assert!(violations(&history).is_empty());
        history.state.rows[2].version = Some(1);
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_resource_that_is_gone_is_found() {
        let mut history = well();
        history.state.rows.remove(2);
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_write_of_unknown_outcome_may_be_there_and_one_never_asked_for_may_not() {
        let mut history = well();
        history.state.rows[2].version = Some(3);
        assert!(violations(&history).is_empty());
        history.state.rows[2].version = Some(4);
        assert_eq!(violations(&history).len(), 1);
    }
}
