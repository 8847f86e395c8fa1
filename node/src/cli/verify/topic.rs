//! Keeps what a topic holds in files, a partition each, so that it is verified as files are.

use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use actors::sink::TopicReader;
use tempfile::TempDir;

use crate::cli::error::CliError;

/// What was kept. The files are gone with it.
pub(super) struct Kept {
    pub(super) partitions: Vec<String>,
    pub(super) files: Vec<PathBuf>,
    /// Messages that are none of ours.
    pub(super) foreign: u64,
    _directory: TempDir,
}

/// Reads all partitions to where they end now.
pub(super) async fn keep(reader: &TopicReader) -> Result<Kept, CliError> {
    let partitions = reader.partitions().await.map_err(failed)?;
    let directory = tempfile::tempdir().map_err(failed)?;
    let (mut files, mut foreign) = (Vec::new(), 0);
    for (number, partition) in partitions.iter().enumerate() {
        let path = directory.path().join(format!("{number}.jsonl"));
        let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut written = Ok(());
        let mut take = |event: Option<serde_json::Value>| match event {
            None => {
                foreign += 1;
                ControlFlow::Continue(())
            }
            Some(event) => match writeln!(file, "{event}") {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    written = Err(error);
                    ControlFlow::Break(())
                }
            },
        };
        reader.read(partition, &mut take).await.map_err(failed)?;
        written.and_then(|()| file.flush()).map_err(failed)?;
        files.push(path);
    }
    Ok(Kept { partitions, files, foreign, _directory: directory })
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(error.to_string())
}
