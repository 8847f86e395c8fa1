//! What a person may set for a run, and what a run tells: rounds, scale, seed, skips.

use std::{io::Write, time::SystemTime};

use rand::{SeedableRng, rngs::StdRng};

/// Writes a line that libtest does not capture, so that `make test` shows it also for tests
/// that pass.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says that a test cannot run here. `make test` counts it, and fails in CI.
pub fn skip(name: &str, why: &str) {
    note(&format!("skipped: {name}: {why}"));
}

/// How many rounds of faults to run: `BELLWETHER_ROUNDS`, or `default`.
#[must_use]
pub fn rounds(default: u32) -> u32 {
    number("BELLWETHER_ROUNDS").and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
}

/// Whether `BELLWETHER_SCALE=full` asks for the whole load.
#[must_use]
pub fn full_scale() -> bool {
    std::env::var("BELLWETHER_SCALE").is_ok_and(|scale| scale == "full")
}

/// A random source whose seed is printed; `BELLWETHER_SEED` repeats a run's choices.
#[must_use]
pub fn seeded(test: &str) -> (u64, StdRng) {
    let seed = number("BELLWETHER_SEED").unwrap_or_else(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    note(&format!("{test}: BELLWETHER_SEED={seed}"));
    (seed, StdRng::seed_from_u64(seed))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
