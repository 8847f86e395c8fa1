//! The small surface through which everything is stored.
//!
//! Two implementations: RocksDB, and a memory that keeps only what was synced when it
//! "crashes", for tests and for simulation.

mod cause;
mod current;
#[cfg(test)]
mod cut;
mod memory;
mod rocks;
#[cfg(test)]
mod tests;
mod torn;

use std::{io, ops::ControlFlow, sync::Arc};

#[cfg(test)]
pub(crate) use cut::CutDisk;
pub use memory::MemoryDisk;
pub use rocks::RocksDisk;

/// The two halves of the store, which are written and compacted differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// Raft logs and votes: written in order, read rarely, deleted from the front.
    Log,
    /// Applied state.
    State,
}

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a key.
    Put(Space, Vec<u8>, Vec<u8>),
    /// Deletes a key.
    Delete(Space, Vec<u8>),
    /// Deletes the keys `from <= key < to`.
    DeleteRange(Space, Vec<u8>, Vec<u8>),
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch(pub Vec<Write>);

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.0.push(Write::Put(space, key, value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, space: Space, key: Vec<u8>) {
        self.0.push(Write::Delete(space, key));
    }

    /// Deletes the keys `from <= key < to`.
    pub fn delete_range(&mut self, space: Space, from: Vec<u8>, to: Vec<u8>) {
        self.0.push(Write::DeleteRange(space, from, to));
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Called with each key and value of a scan; may end it.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// A store that can be read.
pub trait View: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// What the device says; a damaged block is an error and never data.
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>>;

    /// Visits `from <= key < to` in order.
    ///
    /// # Errors
    /// What the device says.
    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> io::Result<()>;

    /// The last key and value in `from <= key < to`.
    ///
    /// # Errors
    /// What the device says.
    fn last(&self, space: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>>;
}

/// A store that survives the process, and what was synced, the machine.
pub trait Disk: View + 'static {
    /// Applies a batch atomically. Readable at once, durable after [`Disk::sync`].
    ///
    /// # Errors
    /// What the device says; the batch has not been applied.
    fn write(&self, batch: &Batch) -> io::Result<()>;

    /// Applies a batch of [`Space::State`] atomically, all of which comes of committed entries.
    /// Readable at once, durable after [`Disk::flush_applied`] or at a moment before it, but not
    /// before what [`Disk::write`] had written by then. A crash loses the latest of such batches,
    /// which are applied again from the log.
    ///
    /// # Errors
    /// What the device says; the batch has not been applied.
    fn write_applied(&self, batch: &Batch) -> io::Result<()> {
        self.write(batch)
    }

    /// Makes what was written by [`Disk::write_applied`] durable. Takes as long as writing a table.
    ///
    /// # Errors
    /// What the device says; nothing is lost, and nothing more is durable.
    fn flush_applied(&self) -> io::Result<()> {
        self.sync()
    }

    /// Makes everything that [`Disk::write`] has written so far durable.
    ///
    /// # Errors
    /// What the device says. What was written may be lost or not: the caller must stop.
    fn sync(&self) -> io::Result<()>;

    /// How many bytes are held in memory and still to be written out as tables.
    fn unflushed(&self) -> u64 {
        0
    }

    /// Writes out what is held in memory, so that the room is freed that RocksDB's log takes for it.
    ///
    /// # Errors
    /// What the device says; nothing is lost.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// The store as it is now, whatever is written later.
    fn view(&self) -> Box<dyn View + '_>;
}

/// What happens when the store can no longer be trusted: it must not return to its caller's
/// normal path. The binary exits; a simulation crashes the node.
pub type Fatal = Arc<dyn Fn(&str) + Send + Sync>;
