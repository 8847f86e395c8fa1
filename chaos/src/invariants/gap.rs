//! **G**: two checks of a resource are at most its interval and a bound apart, as its target saw
//! them. A resource that the fault hits is spared; that the others are not is the point. While the
//! harness itself did not run, no target could answer: that much longer a gap may be. So it may be
//! for as long as a fault lasts for which no bound is promised.

use crate::history::{History, Moment};

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    for target in history.targets.iter().filter(|target| !target.hit) {
        let Some(first) = target.probes.first() else {
            wrong.push(format!("{} was never checked", target.id));
            continue;
        };
        let mut before = first.0;
        // The look at the end closes the last gap.
        for at in target.probes.iter().map(|(at, _)| *at).chain([history.state.settled]) {
            wrong.extend(violation(history, &target.id, before, at));
            before = at;
        }
    }
    wrong
}

fn violation(history: &History, id: &str, before: Moment, at: Moment) -> Option<String> {
    let (gap, most) = (at.saturating_sub(before), history.bounds.interval + history.bounds.gap);
    if gap <= most {
        return None;
    }
    let lags = history.lags.iter().map(|lag| (lag.from, lag.until));
    let late = overlap(lags, before, at);
    let unbounded = history.unbounded.iter().map(|span| (span.from, span.until));
    let free = overlap(unbounded, before, at);
    (gap > most + late + free).then(|| {
        format!(
            "{id}: {gap} ms without a check from {before} ms on, the harness was late by {late}, \
             {free} had no bound"
        )
    })
}

/// How much of a span these take.
fn overlap(spans: impl Iterator<Item = (Moment, Moment)>, begin: Moment, end: Moment) -> u64 {
    spans.map(|(from, until)| until.min(end).saturating_sub(from.max(begin))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Lag, Unbounded},
        invariants::fixture::well,
    };

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
    fn a_gap_under_a_fault_without_a_bound_may_be_longer_by_as_much() {
        let mut history = well();
        history.targets[0].probes.remove(1);
        for (from, until, count) in [(1_000, 1_400, 1), (1_500, 2_100, 0), (4_000, 9_000, 1)] {
            history.unbounded = vec![Unbounded { from, until }];
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
