//! `bellwether events verify`: whether files of events hold everything once and in order.
//!
//! Invariant: one pass over the events; memory grows with resources and shards, not with events.

mod findings;
mod gap;
mod lives;
mod merge;
mod reader;
mod seen;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod told;

use std::path::PathBuf;

use super::{
    error::{CliError, Verdict},
    output::{Output, note},
};
use findings::Report;

/// Verifies files and prints what was found. Exits 1 where anything is wrong.
pub(super) fn run(files: &[PathBuf], output: &Output) -> Result<Verdict, CliError> {
    let report = verify(files)?;
    if report.events == 0 {
        note("the files hold no events");
    }
    let value = report.to_json();
    output.show(&value, |_| report.names(), |_| report.to_text())?;
    Ok(if report.findings.is_clean() { Verdict::Good } else { Verdict::Bad })
}

/// Reads all files as one history.
fn verify(files: &[PathBuf]) -> Result<Report, CliError> {
    let failed = |path: &PathBuf, e: std::io::Error| {
        CliError::Failed(format!("cannot read {}: {e}", path.display()))
    };
    merge::Merge::new(files)
        .and_then(merge::Merge::run)
        .map_err(|(file, e)| failed(&files[file], e))
}
