//! What can go wrong with a sink, by what is done next.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

/// Why a sink did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Nothing is acknowledged. Wait, ask for the tail, and send again from there.
    #[error("{place} takes no events: {problem}; {remedy}")]
    Unavailable {
        /// Which file or address.
        place: String,
        /// What went wrong.
        problem: String,
        /// What a person does about it.
        remedy: &'static str,
    },
    /// It is not as it must be: waiting alone does not help.
    #[error("{place} cannot be a sink: {problem}; {remedy}")]
    Unfit {
        /// Which address or topic.
        place: String,
        /// What is wrong with it.
        problem: String,
        /// What a person does about it.
        remedy: &'static str,
    },
    /// Another sink writes there. Waiting helps once that one has stopped.
    #[error("{0} is written by another sink or process; give each sink a path of its own")]
    InUse(PathBuf),
    /// What is there was not written by a sink, and is left alone.
    #[error(
        "{0} holds something other than events; choose another path for the sink, or move it away"
    )]
    NotEvents(PathBuf),
    /// The sink has ended: nothing more will come of it.
    #[error("sink {0} is closed")]
    Closed(String),
}

impl SinkError {
    /// A failed call on a file, with the remedy that its kind suggests.
    #[must_use]
    pub(crate) fn io(path: &Path, error: &Error) -> Self {
        let place = path.display().to_string();
        Self::Unavailable { place, problem: error.to_string(), remedy: remedy(error.kind()) }
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free space there, or choose another path for the sink"
        }
        ErrorKind::PermissionDenied => "let the node's user write the file and its directory",
        ErrorKind::ReadOnlyFilesystem => "mount the file system for writing",
        ErrorKind::NotFound | ErrorKind::NotADirectory => "create the directory",
        _ => "check the disk; it is tried again by itself",
    }
}
