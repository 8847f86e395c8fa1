//! Keeps the side file of synced log positions, and checks logs against it (SEMANTICS 26).

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use tracing::warn;

use crate::{
    disk::Fatal,
    error::OpenError,
    store::{
        log::LogStore,
        watermark::{Mark, WatermarkFile, Watermarks},
    },
    types::StoredLogId,
};

const EVERY: Duration = Duration::from_secs(1);

pub(super) fn read(
    file: Option<&WatermarkFile>,
    accept_data_loss: bool,
) -> Result<Watermarks, OpenError> {
    let Some(file) = file else { return Ok(Watermarks::default()) };
    match file.read() {
        Ok(marks) if !accept_data_loss => Ok(marks),
        Ok(marks) => {
            warn!(groups = marks.0.len(), "not checking whether acknowledged entries are lost");
            Ok(Watermarks::default())
        }
        Err(error) if accept_data_loss => {
            warn!(%error, "the side file of synced positions is damaged; going on without it");
            Ok(Watermarks::default())
        }
        Err(error) => Err(OpenError::Corrupt(format!("SYNCED: {error}"))),
    }
}

/// A log that ends before what was synced has lost acknowledged entries.
pub(super) fn check(marks: &Watermarks, group: u64, log: &LogStore) -> Result<(), OpenError> {
    let end = log.last().map(StoredLogId::from);
    match marks.0.get(&group) {
        Some(mark) if mark.is_beyond(end) => {
            let found = end.map_or(0, |end| end.index);
            Err(OpenError::LogWentBackwards { group, found, synced: mark.index })
        }
        _ => Ok(()),
    }
}

/// The file and what it says. Clones share it.
#[derive(Clone)]
pub(crate) struct Marks(Arc<Shared>);

struct Shared {
    file: WatermarkFile,
    written: Mutex<Watermarks>,
}

impl Marks {
    pub(super) fn new(file: WatermarkFile) -> Self {
        Self(Arc::new(Shared { file, written: Mutex::default() }))
    }

    /// Takes back what the file says of a group beyond a place, before entries after it are cut
    /// off: a crash in between must not look like a loss. Blocks until it is durable.
    pub(crate) fn lower(&self, group: u64, end: Option<StoredLogId>) -> io::Result<()> {
        let mut written = self.0.written.lock();
        if !written.0.get(&group).is_some_and(|mark| mark.is_beyond(end)) {
            return Ok(());
        }
        let mut marks = written.clone();
        match end {
            Some(end) => marks.0.insert(group, end.into()),
            None => marks.0.remove(&group),
        };
        self.0.file.write(&marks)?;
        *written = marks;
        Ok(())
    }

    /// Writes how far the logs are durable now.
    fn keep(&self, logs: &[LogStore], fatal: &Fatal) {
        let mut written = self.0.written.lock();
        let marks = Watermarks(durable(logs));
        if marks == *written {
            return;
        }
        match self.0.file.write(&marks) {
            Ok(()) => *written = marks,
            // The former file still stands, and what it says still holds.
            Err(error) if is_passing(&error) => {
                warn!(%error, "the side file of synced positions is not written yet; trying again");
            }
            Err(error) => {
                fatal(&format!("cannot write the side file of synced positions: {error}"));
            }
        }
    }
}

fn durable(logs: &[LogStore]) -> BTreeMap<u64, Mark> {
    let marks = (0..).zip(logs);
    marks
        .filter_map(|(group, log)| Some((group, StoredLogId::from(log.durable()?).into())))
        .collect()
}

/// The thread that writes the file.
#[derive(Clone)]
pub(super) struct Keeper {
    stop: Arc<Mutex<Option<mpsc::Sender<()>>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Keeper {
    pub(super) fn start(marks: Option<Marks>, logs: Vec<LogStore>, fatal: Fatal) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = marks.map(|marks| {
            thread::spawn(move || {
                loop {
                    let ended = stopped.recv_timeout(EVERY) != Err(mpsc::RecvTimeoutError::Timeout);
                    marks.keep(&logs, &fatal);
                    if ended {
                        return;
                    }
                }
            })
        });
        Self { stop: Arc::new(Mutex::new(Some(stop))), thread: Arc::new(Mutex::new(thread)) }
    }

    /// Writes the file a last time and ends the thread.
    pub(super) fn close(&self) {
        self.stop.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Whether the system has run out of something that comes back.
fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::NOSPC, Errno::DQUOT];
    Errno::from_io_error(error).is_some_and(|errno| passing.contains(&errno))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn only_what_comes_back_is_waited_for() {
        assert!(is_passing(&Errno::MFILE.into()) && is_passing(&Errno::NOSPC.into()));
        assert!(!is_passing(&Errno::IO.into()) && !is_passing(&io::Error::other("no number")));
    }
}
