//! A side file that tells how far each group's log was synced (SEMANTICS 26).
//!
//! It is written once a second, apart from the database, so that a database that went
//! backwards is noticed: a node must not vote with a log that has lost acknowledged entries.
//!
//! It has two halves, which are overwritten in turn: a crash spoils the one that is being written,
//! and the other tells what was true a second ago. Nothing but bytes of the file changes, so that
//! its sync does not wait for the file system's journal, nor hold up the log's syncs on the same
//! disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::record::{Record, decode, encode};
use crate::types::StoredLogId;

const NAME: &str = "SYNCED";
/// A half has a multiple of this.
const PAGE: usize = 4_096;
/// Before the record in a half: its length, little-endian.
const LENGTH: usize = 4;

/// The last synced place of each group's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watermarks(pub(crate) BTreeMap<u64, Mark>);

/// A place in a log. A new leader may cut entries of a former term off, so that indexes alone
/// say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Not known of marks that former versions have written, which ran alone.
    pub(crate) term: Option<u64>,
    pub(crate) index: u64,
}

impl Mark {
    /// Whether a log that ends there, or is empty, has lost what was synced.
    pub(crate) fn is_beyond(self, end: Option<StoredLogId>) -> bool {
        let (term, index) = end.map_or((0, 0), |end| (end.term, end.index));
        match self.term {
            Some(synced) => (term, index) < (synced, self.index),
            None => index < self.index,
        }
    }
}

impl From<StoredLogId> for Mark {
    fn from(id: StoredLogId) -> Self {
        Self { term: Some(id.term), index: id.index }
    }
}

impl Record for Watermarks {
    const VERSION: u8 = 2;

    fn migrate(version: u8, bytes: &[u8]) -> Option<Self> {
        if version != 1 {
            return None;
        }
        let (indexes, rest) = postcard::take_from_bytes::<BTreeMap<u64, u64>>(bytes).ok()?;
        let mark = |(group, index)| (group, Mark { term: None, index });
        rest.is_empty().then(|| Self(indexes.into_iter().map(mark).collect()))
    }
}

/// What one half says; the higher number is the later one.
#[derive(Debug, Serialize, Deserialize)]
struct Half {
    number: u64,
    marks: Watermarks,
}

impl Record for Half {
    const VERSION: u8 = 1;
}

/// The side file of a data directory. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct WatermarkFile {
    path: PathBuf,
    open: Arc<Mutex<Option<Halves>>>,
}

/// The file while it is written.
#[derive(Debug)]
struct Halves {
    file: File,
    /// Bytes of a half.
    size: usize,
    /// Of the half that was written last.
    number: u64,
}

impl WatermarkFile {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { path: directory.join(NAME), open: Arc::default() }
    }

    pub(crate) fn read(&self) -> io::Result<Watermarks> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Watermarks::default()),
            Err(error) => return Err(error),
        };
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let halves = [first, second].into_iter().filter_map(half);
        match halves.max_by_key(|half| half.number) {
            Some(latest) => Ok(latest.marks),
            // Former versions wrote the marks alone.
            None => Ok(decode(NAME.as_bytes(), &bytes)?),
        }
    }

    /// Says so durably; a crash leaves what was said before, or this.
    pub(crate) fn write(&self, marks: &Watermarks) -> io::Result<()> {
        let mut open = self.open.lock();
        let number = open.as_ref().map_or(1, |halves| halves.number + 1);
        let said = said(&Half { number, marks: marks.clone() });
        match open.as_mut().filter(|halves| said.len() <= halves.size) {
            Some(halves) => halves.overwrite(number, &said),
            None => {
                // Until it stands, the next attempt begins anew, too.
                *open = None;
                *open = Some(Halves::create(&self.path, number, &said)?);
                Ok(())
            }
        }
    }
}

impl Halves {
    /// Replaces the file; a crash leaves the former one or this one.
    fn create(path: &Path, number: u64, said: &[u8]) -> io::Result<Self> {
        let fresh = path.with_extension("new");
        // Marks grow by some bytes as their numbers do.
        let size = (2 * said.len()).next_multiple_of(PAGE);
        let mut halves = vec![0; 2 * size];
        let place = place(number, size);
        halves[place..place + said.len()].copy_from_slice(said);
        let mut file = File::create(&fresh)?;
        file.write_all(&halves)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Self { file, size, number })
    }

    fn overwrite(&mut self, number: u64, said: &[u8]) -> io::Result<()> {
        self.file.write_all_at(said, place(number, self.size) as u64)?;
        self.file.sync_data()?;
        self.number = number;
        Ok(())
    }
}

/// Where the half of a number begins.
fn place(number: u64, size: usize) -> usize {
    if number.is_multiple_of(2) { 0 } else { size }
}

fn said(half: &Half) -> Vec<u8> {
    let record = encode(NAME.as_bytes(), half);
    let length = u32::try_from(record.len()).expect("marks of some thousand groups");
    [&length.to_le_bytes(), record.as_slice()].concat()
}

/// What a half says; `None` where a crash has spoilt it, or nothing was written yet.
fn half(bytes: &[u8]) -> Option<Half> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    decode(NAME.as_bytes(), rest.get(..length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantics_26_the_side_file_survives_and_damage_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = WatermarkFile::new(directory.path());
        assert_eq!(file.read().unwrap(), Watermarks::default());
        let mark = |term, index| Mark::from(StoredLogId { term, index });
        let marks = Watermarks(BTreeMap::from([(0, mark(2, 7)), (3, mark(1, 1))]));
        file.write(&marks).unwrap();
        assert_eq!(file.read().unwrap(), marks);
        fs::write(directory.path().join(NAME), b"garbage").unwrap();
        assert!(file.read().is_err());
    }

    fn marks(index: u64) -> Watermarks {
        let mark = Mark::from(StoredLogId { term: 1, index });
        Watermarks((0..20).map(|group| (group, mark)).collect())
    }

    #[test]
    fn semantics_26_a_half_that_a_crash_has_spoilt_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = WatermarkFile::new(directory.path());
        for index in 1..=5 {
            file.write(&marks(index)).unwrap();
            assert_eq!(file.read().unwrap(), marks(index));
        }
        let path = directory.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        let half = whole.len() / 2;
        // The fifth is in the second half.
        for cut in [0, 2, 4, 30, 60] {
            let mut torn = whole.clone();
            torn[half + cut..].fill(0);
            fs::write(&path, &torn).unwrap();
            assert_eq!(file.read().unwrap(), marks(4), "cut after {cut} bytes");
        }
        fs::write(&path, vec![0; whole.len()]).unwrap();
        assert!(file.read().is_err(), "nothing is left to go by");
    }

    #[test]
    fn a_file_that_is_written_again_after_a_start_says_what_was_written_last() {
        let directory = tempfile::tempdir().unwrap();
        (1..=9).for_each(|n| WatermarkFile::new(directory.path()).write(&marks(n)).unwrap());
        let file = WatermarkFile::new(directory.path());
        assert_eq!(file.read().unwrap(), marks(9));
        file.write(&marks(3)).unwrap();
        assert_eq!(file.read().unwrap(), marks(3), "marks may be lowered");
    }

    #[test]
    fn marks_that_outgrow_their_half_get_a_larger_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = WatermarkFile::new(directory.path());
        file.write(&marks(1)).unwrap();
        let mark = Mark::from(StoredLogId { term: u64::MAX, index: u64::MAX });
        let many = Watermarks((0..5_000).map(|group| (group, mark)).collect());
        file.write(&many).unwrap();
        assert_eq!(file.read().unwrap(), many);
        file.write(&marks(2)).unwrap();
        assert_eq!(file.read().unwrap(), marks(2));
    }

    #[test]
    fn semantics_26_entries_that_a_later_term_has_cut_off_are_no_loss() {
        let end = |term, index| Some(StoredLogId { term, index });
        let mark = Mark::from(StoredLogId { term: 3, index: 100 });
        assert!(!mark.is_beyond(end(3, 100)) && !mark.is_beyond(end(4, 91)));
        assert!(mark.is_beyond(end(3, 99)) && mark.is_beyond(end(2, 100)));
        assert!(mark.is_beyond(None));
    }

    #[test]
    fn marks_of_former_versions_compare_indexes() {
        let old = BTreeMap::from([(4_u64, 9_u64)]);
        let body = postcard::to_extend(&old, vec![1]).unwrap();
        let bytes = super::super::record::seal(NAME.as_bytes(), body);
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NAME), bytes).unwrap();
        let Watermarks(marks) = WatermarkFile::new(directory.path()).read().unwrap();
        let end = |index| Some(StoredLogId { term: 1, index });
        assert!(marks[&4].is_beyond(end(8)) && !marks[&4].is_beyond(end(9)));
    }
}
