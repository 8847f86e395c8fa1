//! Bytes on the disk change while nobody looks: a flipped bit, a lost tail, garbage behind.
//!
//! Invariant: a wound is done to the files of a node that does not run: to a copy of them, or to
//! those of one of several nodes, which is replaced after it.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use rand::{Rng, RngExt};

/// One damage to one file, which is named relative to the copy's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wound {
    /// None: shows that the comparison finds nothing where nothing is.
    Nothing,
    /// A bit flips.
    Flip {
        /// The file.
        file: PathBuf,
        /// The byte, from the file's beginning.
        byte: u64,
        /// The bit, from 0 to 7.
        bit: u8,
    },
    /// The end is gone.
    Cut {
        /// The file.
        file: PathBuf,
        /// How many bytes; all where there are fewer.
        bytes: u64,
    },
    /// The end reads as zeros, as blocks do that were assigned and not written.
    Zeros {
        /// The file.
        file: PathBuf,
        /// From this byte on.
        from: u64,
    },
    /// Something stands behind the end that nobody wrote.
    Garbage {
        /// The file.
        file: PathBuf,
        /// It.
        bytes: Vec<u8>,
    },
}

impl Wound {
    /// A bit of a file, any of them.
    ///
    /// # Errors
    /// The file is empty or cannot be measured.
    pub(crate) fn any_bit(root: &Path, file: PathBuf, random: &mut impl Rng) -> Result<Self> {
        let len = fs::metadata(root.join(&file))?.len();
        ensure!(len > 0, "{} is empty", file.display());
        Ok(Self::Flip { file, byte: random.random_range(0..len), bit: random.random_range(0..8) })
    }

    /// Does it to the files below `root`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn inflict(&self, root: &Path) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Flip { file, byte, bit } => flip(&root.join(file), *byte, *bit),
            Self::Cut { file, bytes } => {
                let file = fs::File::options().write(true).open(root.join(file))?;
                Ok(file.set_len(file.metadata()?.len().saturating_sub(*bytes))?)
            }
            Self::Zeros { file, from } => {
                let file = fs::File::options().write(true).open(root.join(file))?;
                let len = file.metadata()?.len();
                file.set_len(*from.min(&len))?;
                Ok(file.set_len(len)?)
            }
            Self::Garbage { file, bytes } => {
                let file = fs::File::options().write(true).open(root.join(file))?;
                Ok(file.write_all_at(bytes, file.metadata()?.len())?)
            }
        }
    }

    /// The file; absent where none is damaged.
    #[must_use]
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Nothing => None,
            Self::Flip { file, .. }
            | Self::Cut { file, .. }
            | Self::Zeros { file, .. }
            | Self::Garbage { file, .. } => Some(file),
        }
    }
}

impl std::fmt::Display for Wound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => write!(f, "nothing is damaged"),
            Self::Flip { file, byte, bit } => {
                write!(f, "{}: bit {bit} of byte {byte} flipped", file.display())
            }
            Self::Cut { file, bytes } => write!(f, "{}: {bytes} bytes cut off", file.display()),
            Self::Zeros { file, from } => {
                write!(f, "{}: zeros from byte {from} on", file.display())
            }
            Self::Garbage { file, bytes } => {
                write!(f, "{}: {} bytes of garbage at its end", file.display(), bytes.len())
            }
        }
    }
}

/// Copies a directory with everything in it into another that is there.
///
/// # Errors
/// What the system says.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All files below a directory, as paths relative to it, in order.
///
/// # Errors
/// What the system says.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(root, root, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}

fn flip(path: &Path, byte: u64, bit: u8) -> Result<()> {
    let file = fs::File::options().read(true).write(true).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    let mut found = [0];
    file.read_exact_at(&mut found, byte)?;
    Ok(file.write_all_at(&[found[0] ^ (1 << bit)], byte)?)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_wound_is_done_to_the_copy_alone() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("raft")).unwrap();
        let file = PathBuf::from("raft/000004.log");
        let original = from.path().join(&file);
        fs::write(&original, "0123456789").unwrap();
        copy(from.path(), to.path()).unwrap();
        for (wound, left) in [
            (Wound::Nothing, "0123456789"),
            (Wound::Flip { file: file.clone(), byte: 1, bit: 0 }, "0023456789"),
            (Wound::Cut { file: file.clone(), bytes: 7 }, "002"),
            (Wound::Garbage { file: file.clone(), bytes: b"xy".to_vec() }, "002xy"),
            (Wound::Zeros { file: file.clone(), from: 3 }, "002\0\0"),
            (Wound::Cut { file: file.clone(), bytes: 70 }, ""),
        ] {
            wound.inflict(to.path()).unwrap();
            assert_eq!(fs::read_to_string(to.path().join(&file)).unwrap(), left, "{wound}");
        }
        assert_eq!(fs::read(&original).unwrap(), b"0123456789");
        assert_eq!(files(from.path()).unwrap(), [file]);
    }

    #[test]
    fn any_bit_lies_within_the_file() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "abc").unwrap();
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let wound = Wound::any_bit(root.path(), "a".into(), &mut random).unwrap();
            assert!(matches!(wound, Wound::Flip { byte: 0..3, bit: 0..8, .. }), "{wound}");
        }
    }
}
