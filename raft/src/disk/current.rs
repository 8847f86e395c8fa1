//! Reads which manifest a database goes by, before it is opened.
//!
//! Invariant: a `CURRENT` that names no manifest of the database is damage, and named as such.
//! RocksDB would report a file that is missing, for which the remedy is another one.

use std::{fs, io, path::Path};

const CURRENT: &str = "CURRENT";

/// Checks the pointer of a database that is not open; a fresh directory has none.
pub(super) fn check(directory: &Path) -> io::Result<()> {
    let current = directory.join(CURRENT);
    let named = match fs::read(&current) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        named => named?,
    };
    let name = String::from_utf8_lossy(&named);
    let manifest = name.strip_suffix('\n').filter(|name| name.starts_with("MANIFEST-"));
    if manifest.is_some_and(|manifest| directory.join(manifest).is_file()) {
        return Ok(());
    }
    let what = format!("{} names {:?}, which is no manifest", current.display(), name.trim_end());
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RocksDisk;

    #[test]
    fn no_bit_of_the_pointer_flips_without_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        drop(RocksDisk::open(directory.path()).unwrap());
        let current = directory.path().join(CURRENT);
        let sound = fs::read(&current).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&current, &bytes).unwrap();
            let refused = RocksDisk::open(directory.path()).err().unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "bit {bit}: {refused}");
            assert!(refused.to_string().contains("CURRENT names"), "bit {bit}: {refused}");
        }
        fs::write(&current, &sound).unwrap();
        assert!(RocksDisk::open(directory.path()).is_ok());
    }

    #[test]
    fn a_fresh_directory_has_no_pointer() {
        check(tempfile::tempdir().unwrap().path()).unwrap();
    }
}
