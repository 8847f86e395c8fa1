//! The clocks of a node, as a parameter, so that tests and simulation bring their own.

use std::time::{SystemTime, UNIX_EPOCH};

use model::WallTime;
use rustix::time::{ClockId, clock_gettime};
use xxhash_rust::xxh3::xxh3_64;

/// Two clocks: one for people, one that counts since the machine was started.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may jump; it decides nothing.
    fn wall(&self) -> WallTime;

    /// Which boot of which machine [`Clock::boot_millis`] belongs to.
    fn boot(&self) -> u64;

    /// Milliseconds since that boot, suspend included; never goes back.
    fn boot_millis(&self) -> u64;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    boot: u64,
}

impl SystemClock {
    /// Reads which boot this is. Where the system does not tell, every process is its own boot,
    /// and time across a restart is taken from the wall clock.
    #[must_use]
    pub fn new() -> Self {
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id")
            .unwrap_or_else(|_| uuid::Uuid::new_v4().as_bytes().to_vec());
        Self { boot: xxh3_64(&boot) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> WallTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime(i64::try_from(since.as_millis()).unwrap_or(WallTime::MAX.0)).min(WallTime::MAX)
    }

    fn boot(&self) -> u64 {
        self.boot
    }

    fn boot_millis(&self) -> u64 {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        seconds * 1_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
    }
}
