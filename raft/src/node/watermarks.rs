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
        watermark::{WatermarkFile, Watermarks},
    },
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
    let synced = marks.0.get(&group).copied().unwrap_or(0);
    let found = log.last().map_or(0, |id| id.index);
    if found < synced {
        return Err(OpenError::LogWentBackwards { group, found, synced });
    }
    Ok(())
}

/// The thread that writes the file.
#[derive(Clone)]
pub(super) struct Keeper {
    stop: Arc<Mutex<Option<mpsc::Sender<()>>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Keeper {
    pub(super) fn start(file: Option<WatermarkFile>, logs: Vec<LogStore>, fatal: Fatal) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = file.map(|file| {
            thread::spawn(move || {
                let mut written = Watermarks::default();
                loop {
                    let ended = stopped.recv_timeout(EVERY) != Err(mpsc::RecvTimeoutError::Timeout);
                    keep(&file, &logs, &mut written, &fatal);
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

fn keep(file: &WatermarkFile, logs: &[LogStore], written: &mut Watermarks, fatal: &Fatal) {
    let durable: BTreeMap<u64, u64> =
        (0..).zip(logs).filter_map(|(group, log)| Some((group, log.durable()?.index))).collect();
    let marks = Watermarks(durable);
    if marks == *written {
        return;
    }
    match file.write(&marks) {
        Ok(()) => *written = marks,
        // The former file still stands, and what it says still holds.
        Err(error) if is_passing(&error) => {
            warn!(%error, "the side file of synced positions is not written yet; trying again");
        }
        Err(error) => fatal(&format!("cannot write the side file of synced positions: {error}")),
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
