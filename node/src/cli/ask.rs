//! Asks before what cannot be taken back.

use std::io::{self, IsTerminal, Write};

use super::error::CliError;

/// Says what will come of it, and asks the person at the terminal whether that is meant.
///
/// # Errors
/// Nobody can be asked here.
pub(super) fn is_meant(consequence: &str) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() {
        let text = format!("{consequence}; nobody can be asked here, say --yes if that is meant");
        return Err(CliError::Failed(text));
    }
    let mut answer = String::new();
    let mut stderr = io::stderr();
    let asked = write!(stderr, "{consequence}. Go on? [y/N] ").and_then(|()| stderr.flush());
    asked
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| CliError::Failed(format!("cannot ask: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
