//! **G**: two checks of a resource are at most its interval and a bound apart, as its target saw
//! them. A resource that the fault hits is spared; that the others are not is the point. While the
//! harness itself did not run, no target could answer: that much longer a gap may be.

use crate::history::{History, Lag, Moment};

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
            let late = lateness(history, before, at);
            if gap > most + late {
                wrong.push(format!(
                    "{}: {gap} ms without a check from {before} ms on, the harness was late by {late}",
                    target.id
                ));
            }
            before = at;
        }
    }
    wrong
}

/// How much of a span the harness did not get to run.
fn lateness(history: &History, from: Moment, until: Moment) -> u64 {
    let within = |lag: &Lag| lag.until.min(until).saturating_sub(lag.from.max(from));
    history.lags.iter().map(within).sum()
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
    fn a_gap_in_which_the_harness_stood_still_is_not_the_nodes() {
        let mut history = well();
        history.targets[0].probes.remove(1);
        for (from, until, count) in [(1_000, 1_400, 1), (1_500, 2_100, 0), (4_000, 9_000, 1)] {
            history.lags = vec![Lag { from, until }];
            assert_eq!(violations(&history).len(), count, "{from} {until}");
        }
    }

    #[test]
    fn a_target_that_is_forgotten_is_found() {
        let mut history = well();
        history.targets[0].probes.truncate(1);
        history.targets[1].probes.clear();
        assert_eq!(violations(&history).len(), 2);
    }
}
