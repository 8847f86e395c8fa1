//! A disk whose power is cut: nothing that its former users do reaches it any more.
//!
//! Invariant: what was acknowledged before the cut was synced; after it every write fails.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{Batch, Disk, MemoryDisk, Space, View, Visit};

/// One machine's view of a memory disk, until its power is cut.
pub(crate) struct CutDisk {
    memory: Arc<MemoryDisk>,
    off: watch::Sender<bool>,
    /// Writes and syncs until the power is cut.
    left: AtomicU64,
}

impl CutDisk {
    pub(crate) fn over(memory: &Arc<MemoryDisk>) -> Arc<Self> {
        let (memory, left) = (Arc::clone(memory), AtomicU64::new(u64::MAX));
        Arc::new(Self { memory, off: watch::Sender::new(false), left })
    }

    /// Cuts the power in the middle of things: before the `operations`-th write or sync.
    pub(crate) fn cut_after(&self, operations: u64) {
        self.left.store(operations, Ordering::SeqCst);
    }

    pub(crate) fn cut(&self) {
        self.cut_with_luck(0);
    }

    /// The first so many batches that were not synced have reached the device all the same.
    pub(crate) fn cut_with_luck(&self, batches: u64) {
        // Excludes whoever is working: a cut comes before an operation or after it.
        self.off.send_if_modified(|off| {
            let first = !std::mem::replace(off, true);
            if first {
                self.memory.crash_with_luck(batches);
            }
            first
        });
    }

    /// Returns once the power is off.
    pub(crate) async fn is_off(&self) {
        let mut off = self.off.subscribe();
        off.wait_for(|off| *off).await.expect("the sender lives in self");
    }

    fn powered(&self, work: impl FnOnce(&MemoryDisk) -> io::Result<()>) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 1 {
            self.cut();
        }
        let off = self.off.borrow();
        if *off {
            return Err(io::Error::other("the power is off"));
        }
        work(&self.memory)
    }
}

impl View for CutDisk {
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.memory.get(space, key)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> io::Result<()> {
        self.memory.scan(space, from, to, visit)
    }

    fn last(&self, space: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        self.memory.last(space, from, to)
    }
}

impl Disk for CutDisk {
    fn write(&self, batch: &Batch) -> io::Result<()> {
        self.powered(|memory| memory.write(batch))
    }

    fn write_applied(&self, batch: &Batch) -> io::Result<()> {
        self.powered(|memory| memory.write_applied(batch))
    }

    fn flush_applied(&self) -> io::Result<()> {
        self.powered(Disk::flush_applied)
    }

    fn sync(&self) -> io::Result<()> {
        self.powered(Disk::sync)
    }

    fn view(&self) -> Box<dyn View + '_> {
        self.memory.view()
    }
}
