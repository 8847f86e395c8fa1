//! A cluster in one thread, on a clock of its own: everything that happens follows from a seed.
//!
//! Invariant: one seed gives one history. There are no threads, time stands still until everybody
//! waits, and all chance comes from [`chance`].

mod bugs;
mod chance;
mod cluster;
mod history;
mod leaders;
mod links;
mod mutants;
mod runtime;
mod tests;
mod watch;

use std::time::Duration;

pub(crate) use bugs::in_force;
pub(crate) use chance::chance;
pub(crate) use cluster::Cluster;
pub(crate) use runtime::Runtime;

/// Runs a history to its end.
pub(crate) fn run<T>(seed: u64, history: impl Future<Output = T>) -> T {
    chance::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads needs nothing of the system");
    let result = runtime.block_on(history);
    chance::forget();
    result
}

/// How long entries take to be applied: now and then so long that others come to lead meanwhile.
pub(crate) fn apply() -> Duration {
    let micros = if chance(0..50) == 0 { chance(5_000..400_000) } else { chance(50..500) };
    Duration::from_micros(micros)
}

/// How long an fsync takes: mostly as on a good disk, now and then as on a bad one.
pub(crate) fn fsync() -> Duration {
    let micros = if chance(0..50) == 0 { chance(5_000..80_000) } else { chance(200..2_000) };
    Duration::from_micros(micros)
}
