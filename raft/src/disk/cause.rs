//! Why a store takes no more writes.
//!
//! Once a write or sync of its log has failed, RocksDB answers every other write by "Seen error.
//! Skip writing buffer.", which names neither the device nor what it said. Whoever meets that
//! first ends the process, so it has to know the cause.

use std::io;

use parking_lot::Mutex;

/// The first failure of a sync.
#[derive(Debug, Default)]
pub(super) struct Cause(Mutex<Option<String>>);

impl Cause {
    /// Syncs. The failure is known before anybody can explain another by it.
    pub(super) fn of_sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut first = self.0.lock();
        sync().inspect_err(|error| {
            first.get_or_insert_with(|| error.to_string());
        })
    }

    /// The failure of a write, and what came before it. Waits for a sync that is under way, which
    /// may be what it follows from.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        match &*self.0.lock() {
            Some(first) => {
                io::Error::new(error.kind(), format!("{error} It follows from: {first}"))
            }
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_write_that_fails_during_a_failing_sync_names_what_the_sync_met() {
        let cause = Cause::default();
        let alone = cause.explain(io::Error::other("Seen error."));
        assert_eq!(alone.to_string(), "Seen error.");
        let (failing, seen) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                cause.of_sync(|| {
                    // The store has failed already; the sync has not returned.
                    failing.send(()).unwrap();
                    Err(io::Error::other("Input/output error"))
                })
            });
            seen.recv().unwrap();
            let explained = cause.explain(io::Error::other("Seen error.")).to_string();
            assert_eq!(explained, "Seen error. It follows from: Input/output error");
        });
        assert!(cause.of_sync(|| Err(io::Error::other("another"))).is_err());
        let first = cause.explain(io::Error::other("later")).to_string();
        assert!(first.ends_with("Input/output error"), "{first}");
    }
}
