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
mod topic;

use std::path::PathBuf;

use actors::sink::TopicReader;

use super::{
    error::{CliError, Verdict},
    output::{Output, note},
};
use findings::Report;
use streams::Repeats;

/// Verifies files and prints what was found. Exits 1 where anything is wrong.
pub(super) fn run(files: &[PathBuf], output: &Output) -> Result<Verdict, CliError> {
    show(&verify(files, Repeats::Wrong)?, output)
}

/// The same of what a topic holds, where an event may be more than once.
pub(super) async fn run_topic(reader: &TopicReader, output: &Output) -> Result<Verdict, CliError> {
    let kept = topic::keep(reader).await?;
    let mut report = verify(&kept.files, Repeats::Usual)?;
    report.files = kept.partitions.iter().map(PathBuf::from).collect();
    if kept.foreign > 0 {
        note(&format!("the topic holds {} messages that are no events", kept.foreign));
    }
    show(&report, output)
}

fn show(report: &Report, output: &Output) -> Result<Verdict, CliError> {
    if report.events == 0 {
        note("there are no events");
    }
    let value = report.to_json();
    output.show(&value, |_| report.names(), |_| report.to_text())?;
    Ok(if report.findings.is_clean() { Verdict::Good } else { Verdict::Bad })
}

/// Reads all files as one history.
fn verify(files: &[PathBuf], repeats: Repeats) -> Result<Report, CliError> {
    let failed = |path: &PathBuf, e: std::io::Error| {
        CliError::Failed(format!("cannot read {}: {e}", path.display()))
    };
    merge::Merge::new(files, repeats)
        .and_then(merge::Merge::run)
        .map_err(|(file, e)| failed(&files[file], e))
}
