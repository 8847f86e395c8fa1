//! Programs that the project's scripts build: `scripts/components NAME` prints their path.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Why a component is not to be had here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// The path of a component's program. Builds it where that was not done before, which can take
/// minutes.
///
/// # Errors
/// Says in a line why this machine cannot have it.
pub async fn find(name: &str) -> Result<PathBuf, Missing> {
    let wanted = name.to_owned();
    let ran = tokio::task::spawn_blocking(move || find_now(&wanted)).await;
    ran.unwrap_or_else(|panic| Err(Missing(format!("{name}: {panic}"))))
}

/// The same for who may wait.
///
/// # Errors
/// As [`find`].
pub fn find_now(name: &str) -> Result<PathBuf, Missing> {
    let output = ask(&scripts().join("components"), name);
    let output = output.map_err(|e| Missing(format!("{name}: cannot run the script: {e}")))?;
    if output.status.success() {
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        return Ok(PathBuf::from(path));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or("no reason given");
    Err(Missing(last.trim_start_matches("components: ").to_owned()))
}

fn ask(script: &Path, name: &str) -> std::io::Result<Output> {
    let mut command = Command::new(script);
    command.arg(name).stdin(Stdio::null()).output()
}

/// The clone that this program was built from; `BELLWETHER_ROOT` where it has moved.
#[must_use]
pub fn root() -> PathBuf {
    let built_in = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    std::env::var_os("BELLWETHER_ROOT").map_or_else(built_in, PathBuf::from)
}

fn scripts() -> PathBuf {
    root().join("scripts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_component_that_nobody_knows_is_missing_with_a_reason() {
        let missing = find("no-such-component").await.unwrap_err();
        assert!(missing.to_string().contains("there is no no-such-component"), "{missing}");
    }
}
