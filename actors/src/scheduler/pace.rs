//! Spreads the slots that a start or a takeover makes due all at once.
//!
//! Invariant: however many resources a node takes over, it begins at most [`Pace::new`]'s number
//! of their first checks a second, so that neither it nor a target that many of them share is
//! flooded. A target that is flooded by its monitor looks like one that is down.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// First checks that a processor begins a second: a fraction of what it can do.
const A_SECOND: u32 = 1_500;

/// The places of a node's first checks, of all its shards. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    gap: Duration,
    free: Arc<Mutex<Option<Instant>>>,
}

impl Pace {
    /// As many a second as this machine's processors stand.
    pub(crate) fn of_this_machine() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(A_SECOND.saturating_mul(u32::try_from(processors).unwrap_or(1)))
    }

    /// So many a second.
    fn new(a_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / a_second.max(1), free: Arc::default() }
    }

    /// The next free place; none within `most` from now.
    pub(crate) fn place(&self, now: Instant, most: Duration) -> Option<Instant> {
        let mut free = self.free.lock();
        let at = free.map_or(now, |free| free.max(now));
        if at > now + most {
            return None;
        }
        *free = Some(at + self.gap);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn first_checks_are_spread_and_never_beyond_what_is_left_of_their_slot() {
        let (pace, now) = (Pace::new(10), Instant::now());
        let places: Vec<_> = (0..100).map_while(|_| pace.place(now, SECOND)).collect();
        assert_eq!(places.len(), 11, "those of a second, its end included");
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == SECOND / 10));
        assert_eq!(pace.place(now, 2 * SECOND), Some(now + SECOND + SECOND / 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_that_comes_alone_does_not_wait() {
        let (pace, now) = (Pace::new(1), Instant::now());
        assert_eq!(pace.place(now, SECOND), Some(now));
        let later = now + 5 * SECOND;
        assert_eq!(pace.place(later, SECOND), Some(later), "unused places are not saved up");
    }
}
