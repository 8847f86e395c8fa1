//! Watches the room that is left on the data directory's file system.
//!
//! Invariant: below the reserve nothing is proposed that a node does not need to stay leader, so
//! that flushes and compactions never run out of room; writes come back by themselves.

mod watch;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use crate::error::{OpenError, ProposeError};
pub(crate) use watch::Watch;

/// The usual reserve is this or a twentieth of the file system, whichever is less.
const USUAL: u64 = 256 << 20;
/// What opening a database writes beside what its log holds.
const OPENING: u64 = 8 << 20;

/// Measurements that must find room before writes are taken again: a new log of the database
/// frees what the former had set aside, and takes it again with its first write.
const SETTLED: u32 = 10;

/// A file system's size and what unprivileged users may still write, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// What may still be written.
    pub free: u64,
    /// How large it is.
    pub total: u64,
}

/// Measures a file system.
pub type Gauge = Arc<dyn Fn() -> io::Result<Extent> + Send + Sync>;

/// The room of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskRoom {
    /// The data directory.
    pub path: PathBuf,
    /// What may still be written, in bytes.
    pub free: u64,
    /// What is kept free, in bytes.
    pub reserve: u64,
    /// Whether writes are refused.
    pub full: bool,
}

/// What the watch has found. A node in memory has none.
#[derive(Debug)]
pub(crate) struct Room {
    path: PathBuf,
    reserve: u64,
    free: AtomicU64,
    full: AtomicBool,
    /// Measurements in a row that found room while writes are refused.
    roomy: AtomicU32,
    /// Less than half of the reserve is left.
    critical: AtomicBool,
}

/// What to do after a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is room.
    Ample,
    /// Write out what memory holds, as long as there is room for it.
    Flush,
    /// Take no writes.
    Full,
}

/// Decides by what is free, what the store has yet to write out, and whether writes are refused
/// already: they come back only with a quarter more than the reserve.
fn judge(free: u64, unflushed: u64, reserve: u64, full: bool) -> Verdict {
    let after_flush = free.saturating_sub(unflushed);
    let wanted = if full { reserve.saturating_add(reserve / 4) } else { reserve };
    if after_flush < wanted {
        Verdict::Full
    } else if after_flush.saturating_sub(unflushed) < wanted {
        Verdict::Flush
    } else {
        Verdict::Ample
    }
}

/// The reserve that is used where none is configured.
fn usual_reserve(total: u64) -> u64 {
    USUAL.min(total / 20)
}

impl Room {
    /// Looks at a file system before anything is opened on it.
    ///
    /// # Errors
    /// There is not even room to open what is there.
    pub(crate) fn find(
        directory: &Path,
        reserve: Option<u64>,
        gauge: &Gauge,
    ) -> Result<Self, OpenError> {
        let path = directory.to_owned();
        let measured = gauge();
        let Extent { free, total } =
            measured.map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let needed = OPENING.saturating_add(unwritten(directory));
        if free < needed {
            return Err(OpenError::DiskFull { path, free, needed });
        }
        let reserve = reserve.unwrap_or_else(|| usual_reserve(total));
        let (full, critical) = (AtomicBool::new(false), AtomicBool::new(false));
        let (free_now, roomy) = (AtomicU64::new(free), AtomicU32::new(0));
        let room = Self { path, reserve, free: free_now, full, roomy, critical };
        room.take_in(free, 0);
        Ok(room)
    }

    /// Takes in a measurement.
    pub(crate) fn take_in(&self, free: u64, unflushed: u64) -> Verdict {
        let was_full = self.full.load(Relaxed);
        let mut verdict = judge(free, unflushed, self.reserve, was_full);
        if verdict == Verdict::Full || !was_full {
            self.roomy.store(0, Relaxed);
        } else if self.roomy.fetch_add(1, Relaxed) + 1 < SETTLED {
            verdict = Verdict::Full;
        }
        self.free.store(free, Relaxed);
        self.full.store(verdict == Verdict::Full, Relaxed);
        self.critical.store(free < self.reserve / 2, Relaxed);
        verdict
    }

    /// Why a proposal is refused now, if it is.
    pub(crate) fn refusal(&self) -> Option<ProposeError> {
        self.is_full().then(|| {
            let DiskRoom { path, free, reserve, .. } = self.now();
            ProposeError::DiskFull { path, free, reserve }
        })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    /// Whether even the group's own small entries must wait.
    pub(crate) fn is_critical(&self) -> bool {
        self.critical.load(Relaxed)
    }

    pub(crate) fn now(&self) -> DiskRoom {
        let (free, full) = (self.free.load(Relaxed), self.is_full());
        DiskRoom { path: self.path.clone(), free, reserve: self.reserve, full }
    }
}

/// Asks the file system that holds a directory, or will.
pub(crate) fn gauge_of(directory: &Path) -> Gauge {
    let directory = directory.to_owned();
    Arc::new(move || {
        let found = rustix::fs::statvfs(&directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Extent { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    })
}

/// What the database writes again as tables when it is opened: the length of its log.
fn unwritten(directory: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(directory.join("raft")) else { return 0 };
    let logs = files.flatten().filter(|file| file.path().extension().is_some_and(|e| e == "log"));
    logs.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(free: u64, total: u64, reserve: Option<u64>) -> Result<Room, OpenError> {
        let gauge: Gauge = Arc::new(move || Ok(Extent { free, total }));
        Room::find(Path::new("/nowhere"), reserve, &gauge)
    }

    #[test]
    fn the_reserve_is_a_twentieth_and_at_most_256_mib() {
        assert_eq!(usual_reserve(100 * MIB), 5 * MIB);
        assert_eq!(usual_reserve(1 << 40), 256 * MIB);
        assert_eq!(room(1 << 39, 1 << 40, None).unwrap().now().reserve, 256 * MIB);
        assert_eq!(room(1 << 39, 1 << 40, Some(MIB)).unwrap().now().reserve, MIB);
    }

    #[test]
    fn writes_are_refused_below_the_reserve_and_come_back_with_a_margin() {
        let room = room(1_000 * MIB, 2_000 * MIB, Some(100 * MIB)).unwrap();
        assert!(room.refusal().is_none());
        assert_eq!(room.take_in(99 * MIB, 0), Verdict::Full);
        let refusal = room.refusal().unwrap().to_string();
        assert!(refusal.contains("/nowhere") && refusal.contains("99 MiB"), "{refusal}");
        assert_eq!(room.take_in(124 * MIB, 0), Verdict::Full, "not for the first byte");
        for _ in 1..SETTLED {
            assert_eq!(room.take_in(125 * MIB, 0), Verdict::Full, "not at once");
        }
        assert_eq!(room.take_in(125 * MIB, 0), Verdict::Ample);
        assert!(room.refusal().is_none() && !room.is_critical());
        room.take_in(49 * MIB, 0);
        assert!(room.is_critical());
    }

    #[test]
    fn what_memory_holds_is_written_out_while_there_is_room_for_it() {
        assert_eq!(judge(200, 20, 100, false), Verdict::Ample);
        assert_eq!(judge(139, 20, 100, false), Verdict::Flush);
        assert_eq!(judge(119, 20, 100, false), Verdict::Full);
    }

    #[test]
    fn a_full_disk_is_not_opened_and_the_remedy_is_named() {
        let refused = room(MIB, 1_000 * MIB, None).unwrap_err().to_string();
        assert!(refused.contains("1 MiB") && refused.contains("free space"), "{refused}");
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("raft")).unwrap();
        std::fs::write(directory.path().join("raft/000004.log"), vec![0; 4096]).unwrap();
        std::fs::write(directory.path().join("raft/000005.sst"), vec![0; 4096]).unwrap();
        assert_eq!(unwritten(directory.path()), 4096);
        assert!(gauge_of(directory.path())().unwrap().total > 0);
    }
}
