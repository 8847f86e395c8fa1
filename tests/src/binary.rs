//! Finds the `bellwether` binary that the tests run.
//!
//! Invariant: a binary that is older than its sources is never run, because a test of
//! yesterday's program proves nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};

const REMEDY: &str = "run: cargo build -p bellwether-node --bin bellwether";

/// The binary in the profile of the program that asks: beside it, or above the `deps` of tests.
///
/// # Errors
/// Says what to build where the binary is missing or older than one of its sources.
pub fn path() -> Result<PathBuf> {
    let own = std::env::current_exe().context("the program's own path is unknown")?;
    let folder = own.parent().context("the program does not lie in a target directory")?;
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    let profile = profile.context("the test does not lie in a target directory")?;
    let binary = profile.join("bellwether");
    let Ok(built) = modified(&binary) else {
        bail!("{} is missing; {REMEDY}", binary.display());
    };
    if let Some(source) = newer_source(&profile.join("bellwether.d"), built) {
        bail!("{} is older than {}; {REMEDY}", binary.display(), source.display());
    }
    Ok(binary)
}

/// cargo lists in a file of make's syntax what it compiled the binary from.
fn newer_source(dep_info: &Path, built: SystemTime) -> Option<PathBuf> {
    let text = fs::read_to_string(dep_info).ok()?;
    sources(&text).into_iter().find(|source| modified(source).is_ok_and(|time| time > built))
}

fn sources(dep_info: &str) -> Vec<PathBuf> {
    let Some((_, list)) = dep_info.split_once(": ") else { return Vec::new() };
    let list = list.lines().next().unwrap_or_default().replace("\\ ", "\0");
    list.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_with_spaces_are_read_from_dep_info() {
        let text = "/t/bellwether: /s/a.rs /s/b\\ c.rs\n";
        assert_eq!(sources(text), [PathBuf::from("/s/a.rs"), PathBuf::from("/s/b c.rs")]);
    }

    #[test]
    fn a_source_newer_than_the_binary_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (source, list) = (dir.path().join("a.rs"), dir.path().join("bellwether.d"));
        fs::write(&source, "").unwrap();
        fs::write(&list, format!("bellwether: {}\n", source.display())).unwrap();
        assert_eq!(newer_source(&list, SystemTime::UNIX_EPOCH), Some(source));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(newer_source(&list, later), None);
    }
}
