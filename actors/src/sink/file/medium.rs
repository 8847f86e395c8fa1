//! The calls on which durability rests, as a parameter: tests bring disks that fail.

use std::{
    fs::File,
    io::{self, Write},
};

use raft::failpoint;

/// A file system's promises.
pub(super) trait Medium: Send + Sync + 'static {
    /// Writes all of `bytes` at the end of the file, or fails with any part of it written.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything that was written is durable. After a failure it is unknown
    /// what is, and a later success says nothing about it.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The system's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct System;

impl Medium for System {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if failpoint!("sink-fails").is_some() {
            return Err(io::Error::from_raw_os_error(5));
        }
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
