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

/// A log that ends before what was synced has lost acknowledged entries, unless what is `applied`
/// goes as far: a snapshot that came is durable before the log says that it begins there.
pub(super) fn check(
    marks: &Watermarks,
    group: u64,
    log: &LogStore,
    applied: Option<StoredLogId>,
) -> Result<(), OpenError> {
    let end = log.last().map(StoredLogId::from);
    match marks.0.get(&group) {
        Some(mark) if mark.is_beyond(end) && mark.is_beyond(applied) => {
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
    written: Mutex<Written>,
}

/// What the file says.
struct Written {
    marks: Watermarks,
    /// A write has failed, and may have been done all the same.
    unsure: bool,
}

impl Marks {
    /// Begins with what the file says of a former run. One that is damaged is written anew.
    pub(super) fn new(file: WatermarkFile) -> Self {
        let read = file.read();
        let (marks, unsure) = read.map_or_else(|_| (Watermarks::default(), true), |m| (m, false));
        Self(Arc::new(Shared { file, written: Mutex::new(Written { marks, unsure }) }))
    }

    /// Takes back what the file says of a group beyond a place, before entries after it are cut
    /// off: a crash in between must not look like a loss. Blocks until it is durable.
    pub(crate) fn lower(&self, group: u64, end: Option<StoredLogId>) -> io::Result<()> {
        let mut written = self.0.written.lock();
        let says_more = written.marks.0.get(&group).is_some_and(|mark| mark.is_beyond(end));
        if !says_more && !written.unsure {
            return Ok(());
        }
        let mut marks = written.marks.clone();
        if says_more {
            match end {
                Some(end) => marks.0.insert(group, end.into()),
                None => marks.0.remove(&group),
            };
        }
        self.0.file.write(&marks)?;
        *written = Written { marks, unsure: false };
        Ok(())
    }

    /// Writes how far the logs are durable now.
    fn keep(&self, logs: &[LogStore], fatal: &Fatal) {
        let mut written = self.0.written.lock();
        let marks = Watermarks(durable(logs));
        if marks == written.marks && !written.unsure {
            return;
        }
        match self.0.file.write(&marks) {
            Ok(()) => *written = Written { marks, unsure: false },
            // What the file says still holds, whichever it is.
            Err(error) if is_passing(&error) => {
                written.unsure = true;
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
    fn semantics_26_marks_of_a_former_run_are_lowered_before_entries_are_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let file = WatermarkFile::new(directory.path());
        let at = |index| StoredLogId { term: 1, index };
        file.write(&Watermarks(BTreeMap::from([(0, at(100).into()), (1, at(7).into())]))).unwrap();
        let marks = Marks::new(WatermarkFile::new(directory.path()));
        marks.lower(0, Some(at(95))).unwrap();
        let lowered = Watermarks(BTreeMap::from([(0, at(95).into()), (1, at(7).into())]));
        assert_eq!(file.read().unwrap(), lowered);
    }

    #[test]
    fn what_may_have_been_written_is_written_again_before_entries_are_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let file = WatermarkFile::new(directory.path());
        std::fs::write(directory.path().join("SYNCED"), b"damaged").unwrap();
        let marks = Marks::new(file.clone());
        marks.lower(0, Some(StoredLogId { term: 1, index: 3 })).unwrap();
        assert_eq!(file.read().unwrap(), Watermarks::default());
    }

    #[test]
    fn only_what_comes_back_is_waited_for() {
        assert!(is_passing(&Errno::MFILE.into()) && is_passing(&Errno::NOSPC.into()));
        assert!(!is_passing(&Errno::IO.into()) && !is_passing(&io::Error::other("no number")));
    }
}
