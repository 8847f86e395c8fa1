//! A side file that tells how far each group's log was synced (SEMANTICS 26).
//!
//! It is written once a second, apart from the database, so that a database that went
//! backwards is noticed: a node must not vote with a log that has lost acknowledged entries.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::record::{Record, decode, encode};
use crate::types::StoredLogId;

const NAME: &str = "SYNCED";

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

/// The side file of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct WatermarkFile {
    path: PathBuf,
}

impl WatermarkFile {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { path: directory.join(NAME) }
    }

    pub(crate) fn read(&self) -> io::Result<Watermarks> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(decode(NAME.as_bytes(), &bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Watermarks::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file; a crash leaves the former one or this one.
    pub(crate) fn write(&self, marks: &Watermarks) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&encode(NAME.as_bytes(), marks))?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
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
        let Watermarks(marks) = decode(NAME.as_bytes(), &bytes).unwrap();
        let end = |index| Some(StoredLogId { term: 1, index });
        assert!(marks[&4].is_beyond(end(8)) && !marks[&4].is_beyond(end(9)));
    }
}
