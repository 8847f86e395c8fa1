//! When something was hurt.

use crate::{
    history::{History, Moment},
    invariants::{IN_THE_SOCKET, UNTIL_IT_KNOWS},
};

/// The longest from an answer of a target until a majority has its record, in ms, while nothing is
/// hurt: reports wait 20 ms for each other, the rest is room for a machine with few processors.
const RECORDED: u64 = 2_000;

/// Spans of time that do not touch each other, in order.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<(Moment, Moment)>);

impl Spans {
    /// When an answer of a target may not become a record, or come late to the harness: about the
    /// end of a process, about a move of leads, and while the harness itself did not run.
    pub(super) fn hurt(history: &History) -> Self {
        let about = |at: Moment, after: u64| (at.saturating_sub(RECORDED), at + after);
        let ends = history.stops().map(|at| about(at, IN_THE_SOCKET));
        let turns = history.turns.iter().map(|at| about(*at, UNTIL_IT_KNOWS));
        let lags = history.lags.iter().map(|lag| (lag.from, lag.until + IN_THE_SOCKET));
        Self::of(ends.chain(turns).chain(lags).collect())
    }

    fn of(mut all: Vec<(Moment, Moment)>) -> Self {
        all.sort_unstable();
        let mut spans: Vec<(Moment, Moment)> = Vec::new();
        for (from, until) in all {
            match spans.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(until),
                None => spans.push((from, until)),
            }
        }
        Self(spans)
    }

    /// Whether a moment lies in one of them.
    pub(super) fn contain(&self, at: Moment) -> bool {
        let begun = self.0.partition_point(|(from, _)| *from <= at);
        begun.checked_sub(1).is_some_and(|last| at <= self.0[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{End, Lag};

    #[test]
    fn spans_are_one_where_they_touch() {
        let (node, how) = ("n1".to_owned(), "killed".to_owned());
        let history = History {
            ends: vec![End { node, at: 4_000, expected: true, how }],
            turns: vec![5_000, 20_000],
            lags: vec![Lag { from: 30_000, until: 30_200 }],
            ..History::default()
        };
        let spans = Spans::hurt(&history);
        assert_eq!(spans.0, [(2_000, 7_000), (18_000, 22_000), (30_000, 30_700)]);
        for (at, within) in [(1_999, false), (2_000, true), (7_000, true), (7_001, false)] {
            assert_eq!(spans.contain(at), within, "{at}");
        }
        assert!(spans.contain(30_700) && !spans.contain(40_000) && !Spans::default().contain(0));
    }
}
