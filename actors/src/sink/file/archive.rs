//! The files that were rotated away: names, numbers, and the tails of shards that have
//! written nothing since.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use model::{Offset, ShardId, event::ClusterIdentity};
use tracing::warn;

use super::{
    journal::{directory, sync_directory},
    scan::{Scan, Tails},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    /// Not looked into yet, oldest first.
    unread: Vec<PathBuf>,
    tails: Tails,
}

impl Archive {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let unread = numbered(path)?.into_iter().map(|(_, path)| path).collect();
        Ok(Self { path: path.to_owned(), unread, tails: Tails::new() })
    }

    /// What is known of a shard without reading.
    pub(super) fn known(&self, shard: ShardId) -> Option<Offset> {
        self.tails.get(&shard).copied()
    }

    /// The last offset of a shard: reads files, newest first, until it is found. Each file is
    /// read once.
    pub(super) fn find(
        &mut self,
        shard: ShardId,
        cluster: &ClusterIdentity,
    ) -> io::Result<Option<Offset>> {
        while self.known(shard).is_none() {
            let Some(path) = self.unread.last() else { return Ok(None) };
            self.merge(tails_of(path, cluster)?);
            self.unread.pop();
        }
        Ok(self.known(shard))
    }

    /// Moves the current file here and forgets the oldest beyond `keep`.
    pub(super) fn take(&mut self, tails: &Tails, keep: usize) -> io::Result<()> {
        let files = numbered(&self.path)?;
        let next = files.last().map_or(1, |(number, _)| number.saturating_add(1));
        // Remembered first: the file may be moved although moving it seems to fail.
        self.tails.extend(tails);
        fs::rename(&self.path, name(&self.path, next))?;
        sync_directory(&self.path)?;
        let excess = (files.len() + 1).saturating_sub(keep.max(1));
        for (_, path) in &files[..excess.min(files.len())] {
            self.forget(path);
        }
        Ok(())
    }

    fn merge(&mut self, older: Tails) {
        for (shard, offset) in older {
            self.tails.entry(shard).or_insert(offset);
        }
    }

    fn forget(&mut self, path: &Path) {
        self.unread.retain(|unread| unread != path);
        if let Err(error) = fs::remove_file(path) {
            warn!(path = %path.display(), %error, "could not remove an old event file");
        }
    }
}

fn tails_of(path: &Path, cluster: &ClusterIdentity) -> io::Result<Tails> {
    match File::open(path) {
        Ok(file) => Ok(Scan::of(file, cluster)?.tails),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Tails::new()),
        Err(error) => Err(error),
    }
}

/// `events.jsonl` becomes `events.000001.jsonl`.
fn name(path: &Path, number: u64) -> PathBuf {
    let (stem, extension) = parts(path);
    path.with_file_name(format!("{stem}.{number:06}{extension}"))
}

/// The rotated files beside `path`, oldest first.
fn numbered(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let (stem, extension) = parts(path);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?.path();
        let name = entry.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let rest = name.strip_prefix(stem.as_str()).and_then(|rest| rest.strip_prefix('.'));
        let number = rest.and_then(|rest| rest.strip_suffix(extension.as_str()));
        let digits = number.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = digits.and_then(|text| text.parse().ok()) {
            found.push((number, entry));
        }
    }
    found.sort();
    Ok(found)
}

fn parts(path: &Path) -> (String, String) {
    let text =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension =
        path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    (text(path.file_stem()), extension)
}
