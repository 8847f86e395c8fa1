//! How many there were within the last minute.

use tokio::time::Instant;

/// Seconds that are counted apart.
const SECONDS: usize = 60;

/// See the module. A second is forgotten as a whole.
#[derive(Debug)]
pub(super) struct LastMinute {
    began: Instant,
    counts: [u64; SECONDS],
    /// The second that is counted now, since it began.
    newest: u64,
}

impl Default for LastMinute {
    fn default() -> Self {
        Self { began: Instant::now(), counts: [0; SECONDS], newest: 0 }
    }
}

impl LastMinute {
    pub(super) fn add(&mut self, count: u64) {
        *self.newest() += count;
    }

    pub(super) fn total(&mut self) -> u64 {
        self.newest();
        self.counts.iter().sum()
    }

    /// The count of this second, once those that are a minute old are forgotten.
    fn newest(&mut self) -> &mut u64 {
        let place = |second: u64| usize::try_from(second).unwrap_or(0) % SECONDS;
        let now = self.began.elapsed().as_secs();
        let passed = usize::try_from(now - self.newest).unwrap_or(SECONDS);
        for second in (self.newest + 1..=now).take(passed.min(SECONDS)) {
            self.counts[place(second)] = 0;
        }
        self.newest = now;
        &mut self.counts[place(now)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_a_minute_is_forgotten() {
        let mut minute = LastMinute::default();
        minute.add(3);
        advance(Duration::from_secs(40)).await;
        minute.add(4);
        assert_eq!(minute.total(), 7);
        advance(Duration::from_secs(20)).await;
        assert_eq!(minute.total(), 4);
        advance(Duration::from_secs(39)).await;
        assert_eq!(minute.total(), 4);
        advance(Duration::from_secs(1)).await;
        assert_eq!(minute.total(), 0);
        minute.add(1);
        advance(Duration::from_secs(100_000)).await;
        assert_eq!(minute.total(), 0);
    }
}
