//! A wall clock that can be moved while the node runs: libfaketime, told by a file that it reads
//! at every look at the clock. Monotonic clocks are left alone, as a machine's own are when
//! somebody sets its wall clock.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use harness::Node;

use super::{Mechanism, tool};

const LIBRARY: &str = "libfaketimeMT.so.1";
/// Where distributions keep it.
const FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
    "/usr/local/lib/faketime",
];

/// A movable wall clock.
pub(crate) const FAKETIME: Mechanism = Mechanism { name: "libfaketime", probe };

/// The wall clock of one node.
#[derive(Debug)]
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Puts the node under a clock that is right at first.
    ///
    /// # Errors
    /// Where the library is missing.
    pub(crate) fn of(node: &mut Node) -> Result<Self> {
        let clock = Self { file: node.dir().join("clock") };
        clock.set(0)?;
        let library = library().context("libfaketime is missing")?.display().to_string();
        let file = clock.file.display().to_string();
        for (name, value) in [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ] {
            node.launcher().set(name, value);
        }
        Ok(clock)
    }

    /// Moves the clock so far from the right time, in milliseconds.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn set(&self, offset: i64) -> Result<()> {
        // Renamed into place, because the library may read at any moment.
        let next = self.file.with_extension("next");
        fs::write(&next, seconds(offset))?;
        Ok(fs::rename(&next, &self.file)?)
    }
}

fn seconds(millis: i64) -> String {
    let (sign, size) = (if millis < 0 { '-' } else { '+' }, millis.unsigned_abs());
    format!("{sign}{}.{:03}\n", size / 1_000, size % 1_000)
}

fn library() -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY)).find(|path| path.is_file())
}

fn probe() -> Result<(), String> {
    let remedy = "install it with: apt-get install faketime";
    let library = library().ok_or_else(|| format!("{LIBRARY} is missing; {remedy}"))?;
    let script = "test \"$(date +%Y)\" -gt 2100";
    let library = format!("LD_PRELOAD={}", library.display());
    let moved = tool("env", &[&library, "FAKETIME=+36500d", "sh", "-c", script]);
    moved.map_err(|why| format!("it moves no clock here: {why:#}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_in_seconds_with_a_sign() {
        assert_eq!(seconds(3_600_250), "+3600.250\n");
        assert_eq!(seconds(-1_005), "-1.005\n");
        assert_eq!(seconds(0), "+0.000\n");
    }
}
