//! Keeps two sinks from writing one file.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::sink::SinkError;

/// Held for as long as the file may be written. A lock on the file itself would move away
/// with it at each rotation.
#[derive(Debug)]
pub(super) struct PathLock {
    _file: File,
}

impl PathLock {
    pub(super) fn take(path: &Path) -> Result<Self, SinkError> {
        let side = side_file(path);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&side);
        let file = file.map_err(|error| SinkError::io(&side, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(SinkError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(SinkError::io(&side, &error)),
        }
    }
}

fn side_file(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
}
