//! Windows without writes, and gaps between checks, from the times of what did happen.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// When the writes of one stream were acknowledged, in that order.
#[derive(Debug, Clone, Default)]
pub(super) struct Acks(Vec<Instant>);

impl Acks {
    pub(super) fn push(&mut self, at: Instant) {
        self.0.push(at);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those from a moment on.
    pub(super) fn since(&self, moment: Instant) -> Self {
        Self(self.0[self.0.partition_point(|at| *at < moment)..].to_vec())
    }

    /// The longest time without one between the last before `moment` and the end.
    fn window(&self, moment: Instant) -> Option<Duration> {
        let first = self.0.partition_point(|at| *at < moment).checked_sub(1)?;
        longest(&self.0[first..])
    }
}

/// The window of each stream around a moment.
///
/// # Errors
/// A stream was not written to both before and after it.
pub(super) fn windows(acks: &[Acks], moment: Instant) -> Result<Vec<Duration>> {
    let window = |acks: &Acks| acks.window(moment);
    let all: Option<Vec<Duration>> = acks.iter().map(window).collect();
    all.context("a stream was not written to before and after")
}

/// The longest time between two neighbours; none where there are fewer than two.
pub(super) fn longest(times: &[Instant]) -> Option<Duration> {
    times.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_reaches_from_the_last_write_before_to_the_first_after() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let acks = Acks([0, 500, 540, 580, 1_700, 1_740].map(at).into());
        let found = windows(std::slice::from_ref(&acks), at(600)).unwrap();
        assert_eq!(found, [Duration::from_millis(1_120)]);
        assert!(windows(&[acks.since(at(600))], at(600)).is_err());
        assert_eq!(acks.since(at(580)).len(), 3);
    }
}
