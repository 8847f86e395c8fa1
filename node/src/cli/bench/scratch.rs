//! A directory that goes when its value is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::super::error::CliError;

/// See the module.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below `parent`.
    ///
    /// # Errors
    /// Where `parent` cannot be written.
    pub(super) fn new(parent: &Path) -> Result<Self, CliError> {
        let path = parent.join(format!("bellwether-bench-{}", Uuid::new_v4().simple()));
        fs::create_dir(&path).map_err(|e| {
            let parent = parent.display();
            CliError::Failed(format!("cannot write in {parent}: {e}; choose another with --dir"))
        })?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed has a name that says whose it is.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_goes_with_the_value() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(parent.path()).unwrap();
        fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_missing_is_named_with_the_remedy() {
        let error = Scratch::new(Path::new("/no/such/place")).err().unwrap().to_string();
        assert!(error.contains("/no/such/place") && error.contains("--dir"), "{error}");
    }
}
