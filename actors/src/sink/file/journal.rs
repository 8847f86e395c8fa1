//! The file that is being written.
//!
//! Invariant: its first `len` bytes are complete lines and durable; `tails` says what is in them.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::event::ClusterIdentity;
use tracing::warn;

use super::{
    medium::Medium,
    scan::{Scan, Tails},
};
use crate::sink::SinkError;

/// Which file, and how much of it is known to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trusted {
    device: u64,
    inode: u64,
    len: u64,
}

/// See the module.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    trusted: Trusted,
    medium: Arc<dyn Medium>,
    /// The last offset of each shard in the file.
    pub(super) tails: Tails,
}

impl Journal {
    /// Opens or creates the file, cuts off what is not a complete line or lies beyond what is
    /// trusted, and syncs what remains before anybody builds on it.
    pub(super) fn open(
        path: &Path,
        cluster: &ClusterIdentity,
        trusted: Option<Trusted>,
        medium: Arc<dyn Medium>,
    ) -> Result<Self, SinkError> {
        let failed = |error: io::Error| SinkError::io(path, &error);
        refuse_special(path)?;
        let options = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = options.map_err(failed)?;
        cut_untrusted(&file, trusted).map_err(failed)?;
        let scan = Scan::of(&file, cluster).map_err(failed)?;
        if scan.is_not_events() {
            return Err(SinkError::NotEvents(path.to_owned()));
        }
        cut_torn(path, &file, &scan).map_err(failed)?;
        medium.sync(&file).and_then(|()| sync_directory(path)).map_err(failed)?;
        let trusted = Trusted::of(&file.metadata().map_err(failed)?);
        Ok(Self { path: path.to_owned(), file, trusted, medium, tails: scan.tails })
    }

    /// How many bytes are durable.
    pub(super) fn len(&self) -> u64 {
        self.trusted.len
    }

    pub(super) fn trusted(&self) -> Trusted {
        self.trusted
    }

    /// Whether the path still names this file and nobody else has changed its length: lines
    /// written to a file that was moved or deleted would be acknowledged and gone.
    pub(super) fn is_intact(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|found| Trusted::of(&found) == self.trusted)
    }

    /// Writes complete lines and makes them durable.
    ///
    /// # Errors
    /// None of them count. The journal must not be used again.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.medium.write(&mut self.file, lines)?;
        self.medium.sync(&self.file)?;
        self.trusted.len += lines.len() as u64;
        Ok(())
    }

    /// Takes back what a failed append left, so that it is not there to be believed. Opening
    /// the file again does the same, should it fail here.
    pub(super) fn take_back(&self) {
        let cut = self.file.set_len(self.trusted.len).and_then(|()| self.file.sync_data());
        if let Err(error) = cut {
            warn!(path = %self.path.display(), %error, "could not take back a failed write");
        }
    }
}

impl Trusted {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), len: metadata.len() }
    }
}

/// Opening a pipe or a device could block for ever.
fn refuse_special(path: &Path) -> Result<(), SinkError> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(SinkError::NotEvents(path.to_owned())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(SinkError::io(path, &error)),
    }
}

/// After a failed sync the kernel may show bytes that never reached the disk, and reports the
/// failure once only: they are written again rather than read back and believed.
fn cut_untrusted(file: &File, trusted: Option<Trusted>) -> io::Result<()> {
    let (found, Some(trusted)) = (Trusted::of(&file.metadata()?), trusted) else { return Ok(()) };
    let same = (found.device, found.inode) == (trusted.device, trusted.inode);
    if same && found.len > trusted.len { file.set_len(trusted.len) } else { Ok(()) }
}

fn cut_torn(path: &Path, file: &File, scan: &Scan) -> io::Result<()> {
    let path = path.display();
    if scan.damaged > 0 {
        warn!(%path, lines = scan.damaged, "the event file has damaged lines; they are left out");
    }
    if scan.good == scan.len {
        return Ok(());
    }
    warn!(%path, bytes = scan.len - scan.good, "cut off an incomplete line");
    file.set_len(scan.good)
}

/// Makes the file's name durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

/// The directory that a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
