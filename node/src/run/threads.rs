//! The threads of a node: as many as it has, made before they are needed.
//!
//! Invariant: work that blocks finds a thread even where the system has none to spare, because
//! those that once ran are kept. Where there are too few to start with, nothing is started:
//! libraries would end the process, or hang, in the middle of it.

use std::{
    fs, io,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::spawn_blocking,
};

/// Threads for work that blocks, such as reading files.
const BLOCKING: usize = 64;
/// Longer than a shortage of threads is likely to last.
const KEPT: Duration = Duration::from_secs(86_400);
/// What the store, its guards and the sinks have; the store has more of them while it opens.
const STORE: usize = 32;
/// How many of them are made at the start.
const AHEAD: usize = 4;
/// How long the system may take to count a thread no more that has ended.
const GONE: Duration = Duration::from_secs(1);

/// The runtime of a node, but for what its clients ask.
///
/// # Errors
/// The system has no threads or descriptors for it.
pub(crate) fn runtime() -> io::Result<Runtime> {
    prove(STORE + BLOCKING + 2 * workers())?;
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(KEPT)
        .build()
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A runtime of its own for what clients ask: the system shares the processors between its threads
/// and the others, so that a thousand watches do not make heartbeats late. Nothing on it blocks.
pub(super) struct ForClients(Option<Runtime>);

impl ForClients {
    /// # Errors
    /// The system has no threads or descriptors for it.
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime =
            builder.enable_all().thread_name("clients").max_blocking_threads(1).build()?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }
}

impl Drop for ForClients {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes so many threads at the same time, and lets them go.
fn prove(wanted: usize) -> io::Result<()> {
    let before = running();
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let mut made = Vec::with_capacity(wanted);
    let outcome = (0..wanted).try_for_each(|_| {
        let gate = Arc::clone(&gate);
        made.push(thread::Builder::new().spawn(move || drop(gate.lock()))?);
        Ok(())
    });
    drop(closed);
    let count = made.len();
    for thread in made {
        thread.join().expect("it waits for the gate, and that is all");
    }
    until_gone(before);
    outcome.map_err(|error| too_few(count, wanted, &error))
}

/// A thread that was joined still counts against the limit for a moment, and would be missing at
/// the start.
fn until_gone(before: Option<usize>) {
    let began = Instant::now();
    while running() > before && began.elapsed() < GONE {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The threads of this process; none where the system does not tell.
fn running() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

fn too_few(made: usize, wanted: usize, error: &io::Error) -> io::Error {
    let text = format!(
        "the system allows {made} more threads, a node needs {wanted} to start ({error}); raise \
         `ulimit -u`, TasksMax= in the service, or pids.max of the control group"
    );
    io::Error::new(error.kind(), text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_are_there_are_proven() {
        prove(4).unwrap();
    }

    #[test]
    fn too_few_are_refused_with_the_remedy() {
        let refused = too_few(3, 18, &io::ErrorKind::WouldBlock.into()).to_string();
        assert!(refused.contains("3 more threads") && refused.contains("ulimit -u"), "{refused}");
    }
}
