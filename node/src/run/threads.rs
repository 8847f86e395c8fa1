//! The threads of a node: as many as it has, made before they are needed.
//!
//! Invariant: work that blocks finds a thread even where the system has none to spare, because
//! those that once ran are kept.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::spawn_blocking,
};

/// Threads for work that blocks, such as reading files.
const BLOCKING: usize = 64;
/// Longer than a shortage of threads is likely to last.
const KEPT: Duration = Duration::from_secs(86_400);
/// How many of them are made at the start.
const AHEAD: usize = 4;

/// The runtime of a node.
///
/// # Errors
/// The system has no threads or descriptors for it.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(KEPT)
        .build()
}

/// Makes threads that then wait for work.
pub(super) async fn make_ahead() {
    // Each is busy for long enough that the next needs a thread of its own.
    let busy = || thread::sleep(Duration::from_millis(5));
    for made in (0..AHEAD).map(|_| spawn_blocking(busy)).collect::<Vec<_>>() {
        // It does not panic.
        let _ = made.await;
    }
}
