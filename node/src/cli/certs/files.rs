//! Writes files all or none, as far as a file system can.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::super::error::CliError;

/// A file that is to be written.
pub(super) struct Pending {
    path: PathBuf,
    text: String,
    mode: u32,
}

/// Written under a name of its own; gone with this value unless it has got its place.
struct Staged<'a> {
    temporary: PathBuf,
    pending: &'a Pending,
}

impl Pending {
    /// One that everybody may read.
    pub(super) fn public(path: PathBuf, text: String) -> Self {
        Self { path, text, mode: 0o644 }
    }

    /// One that only its owner may read.
    pub(super) fn secret(path: PathBuf, text: String) -> Self {
        Self { path, text, mode: 0o600 }
    }

    fn stage(&self, dir: &Path) -> Result<Staged<'_>, CliError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = dir.join(format!(".{name}.{}", Uuid::new_v4().simple()));
        let staged = Staged { temporary, pending: self };
        staged.write().map_err(|e| cannot_write(&self.path, &e))?;
        Ok(staged)
    }
}

impl Staged<'_> {
    fn write(&self) -> io::Result<()> {
        // With its mode from the start: a key is at no time readable by others.
        let mode = self.pending.mode;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&self.temporary)?;
        file.write_all(self.pending.text.as_bytes())?;
        file.sync_all()
    }

    fn put(&self) -> Result<(), CliError> {
        let path = &self.pending.path;
        fs::rename(&self.temporary, path).map_err(|e| cannot_write(path, &e))
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // Usually it has got its place, and nothing is here any more.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes all files into a directory, which is made where it is missing.
///
/// # Errors
/// Where a file exists, unless it may be replaced; then none is written.
pub(super) fn write(dir: &Path, pending: &[Pending], replace: bool) -> Result<(), CliError> {
    if !replace {
        refuse_existing(pending)?;
    }
    fs::create_dir_all(dir).map_err(|e| cannot_write(dir, &e))?;
    let staged = pending.iter().map(|file| file.stage(dir)).collect::<Result<Vec<_>, _>>()?;
    staged.iter().try_for_each(Staged::put)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| cannot_write(dir, &e))
}

fn refuse_existing(pending: &[Pending]) -> Result<(), CliError> {
    // A link that leads nowhere is something, too.
    let existing = pending.iter().filter(|file| file.path.symlink_metadata().is_ok());
    let names: Vec<String> = existing.map(|file| file.path.display().to_string()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "already there: {}; nothing is written; give --renew to replace what nodes have",
        names.join(", ")
    )))
}

fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!("cannot write {}: {error}", path.display()))
}
