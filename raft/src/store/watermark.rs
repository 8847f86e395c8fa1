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

const NAME: &str = "SYNCED";

/// The last synced index of each group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watermarks(pub(crate) BTreeMap<u64, u64>);

impl Record for Watermarks {
    const VERSION: u8 = 1;
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
        let marks = Watermarks(BTreeMap::from([(0, 7), (3, 1)]));
        file.write(&marks).unwrap();
        assert_eq!(file.read().unwrap(), marks);
        fs::write(directory.path().join(NAME), b"garbage").unwrap();
        assert!(file.read().is_err());
    }
}
