//! The build of the node that can be told to die, to panic or to be wrong at named places.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use harness::Launcher;

const REMEDY: &str = "run: cargo build --profile chaos -p bellwether-node --bin bellwether \
                      --features chaos";
const VARIABLE: &str = "FAILPOINTS";

/// The build with fail points: the one that was asked for, or `chaos/bellwether` beside the
/// folder of this program's profile.
///
/// # Errors
/// Says what to build where there is none.
pub(crate) fn binary(asked: Option<&Path>) -> Result<PathBuf> {
    let binary = match asked {
        Some(binary) => binary.to_owned(),
        None => beside()?,
    };
    ensure!(binary.is_file(), "{} is missing; {REMEDY}", binary.display());
    let output = Command::new(&binary).arg("version").output();
    let output = output.with_context(|| format!("cannot run {}", binary.display()))?;
    let version = String::from_utf8_lossy(&output.stdout);
    ensure!(version.contains("chaos"), "{} has no fail points; {REMEDY}", binary.display());
    Ok(binary)
}

/// Arms points, such as `before-sync=sleep(20);probe-panics=5%panic`, at the next start.
pub(crate) fn arm(launcher: &mut Launcher, points: &str) {
    launcher.set(VARIABLE, points);
}

/// Two lists of points as one.
#[must_use]
pub(crate) fn joined(one: &str, other: &str) -> String {
    let parts = [one, other].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(";")
}

fn beside() -> Result<PathBuf> {
    let own = std::env::current_exe().context("the program's own path is unknown")?;
    // Of the program itself, or of a test below `deps`.
    let mut folders = own.ancestors().skip(1).skip_while(|folder| folder.ends_with("deps"));
    let target = folders.nth(1).context("the program does not lie in a target directory")?;
    Ok(target.join("chaos").join("bellwether"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_without_fail_points_is_refused_with_the_remedy() {
        for (path, why) in [("/nowhere/bellwether", "missing"), ("/bin/true", "no fail points")] {
            let refused = format!("{:#}", binary(Some(Path::new(path))).unwrap_err());
            assert!(refused.contains(why) && refused.contains("--features chaos"), "{refused}");
        }
    }

    #[test]
    fn lists_of_points_are_joined() {
        assert_eq!(joined("a=off", "b=off"), "a=off;b=off");
        assert_eq!(joined("", "b=off"), "b=off");
    }
}
