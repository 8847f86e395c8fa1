//! **G**: two checks of a resource are at most its interval and a bound apart, as its target saw
//! them. A resource that the fault hits is spared; that the others are not is the point.

use crate::history::History;

pub(super) fn violations(history: &History) -> Vec<String> {
    let most = history.bounds.interval + history.bounds.gap;
    let mut wrong = Vec::new();
    for target in history.targets.iter().filter(|target| !target.hit) {
        let Some(first) = target.probes.first() else {
            wrong.push(format!("{} was never checked", target.id));
            continue;
        };
        let mut before = first.0;
        // The look at the end closes the last gap.
        for at in target.probes.iter().map(|(at, _)| *at).chain([history.state.settled]) {
            let gap = at.saturating_sub(before);
            if gap > most {
                wrong.push(format!("{}: {gap} ms without a check from {before} ms on", target.id));
            }
            before = at;
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_check_that_was_left_out_is_found() {
        let mut history = well();
        assert!(violations(&history).is_empty());
        history.targets[0].probes.remove(1);
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_target_that_is_forgotten_is_found() {
        let mut history = well();
        history.targets[0].probes.truncate(1);
        history.targets[1].probes.clear();
        assert_eq!(violations(&history).len(), 2);
    }
}
