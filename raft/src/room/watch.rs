//! The thread that measures, so that no async worker waits for a file system.

use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{info, warn};

use super::{Gauge, Room, Verdict};
use crate::disk::Disk;

const EVERY: Duration = Duration::from_millis(100);
/// Less than this in memory is not worth a table of its own.
const WORTH_FLUSHING: u64 = 4 << 20;
/// A flush that failed, or freed nothing, is not tried again before.
const FLUSH_PAUSE: Duration = Duration::from_secs(5);

/// Runs until it is closed.
#[derive(Clone)]
pub(crate) struct Watch {
    stop: Arc<Mutex<Option<mpsc::Sender<()>>>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Watch {
    /// Watches, where there is something to watch.
    pub(crate) fn start(watched: Option<(Arc<Room>, Gauge)>, disk: Arc<dyn Disk>) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = watched.and_then(|(room, gauge)| {
            let mut turn = Turn { room, gauge, disk, flushed: None, measured: true, told: false };
            let named = thread::Builder::new().name("disk-room".to_owned());
            let spawned = named.spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                    turn.measure();
                }
            });
            spawned.inspect_err(|error| warn!(%error, "nobody watches for a full disk")).ok()
        });
        Self { stop: Arc::new(Mutex::new(Some(stop))), thread: Arc::new(Mutex::new(thread)) }
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.stop.lock().take();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

struct Turn {
    room: Arc<Room>,
    gauge: Gauge,
    disk: Arc<dyn Disk>,
    flushed: Option<Instant>,
    /// Whether the last measurement succeeded.
    measured: bool,
    /// Whether it was told that the disk is full.
    told: bool,
}

impl Turn {
    fn measure(&mut self) {
        let extent = match (self.gauge)() {
            Ok(extent) => extent,
            Err(error) => {
                if std::mem::replace(&mut self.measured, false) {
                    warn!(%error, "the room on the disk cannot be measured");
                }
                return;
            }
        };
        self.measured = true;
        let unflushed = self.disk.unflushed();
        let verdict = self.room.take_in(extent.free, unflushed);
        if std::mem::replace(&mut self.told, self.room.is_full()) != self.told {
            self.tell();
        }
        if verdict != Verdict::Ample && unflushed >= WORTH_FLUSHING {
            self.flush();
        }
    }

    fn tell(&self) {
        let room = self.room.now();
        let (free, reserve, path) = (room.free, room.reserve, room.path.display());
        if room.full {
            warn!(
                %path, free, reserve,
                "the disk is full: writes are refused until there is space; reads go on"
            );
        } else {
            info!(%path, free, reserve, "there is space on the disk again: writes are taken");
        }
    }

    /// Frees the database's log, which tables that are not written out hold on to.
    fn flush(&mut self) {
        if self.flushed.is_some_and(|at| at.elapsed() < FLUSH_PAUSE) {
            return;
        }
        self.flushed = Some(Instant::now());
        if let Err(error) = self.disk.flush() {
            warn!(%error, "memory could not be written out to free the log");
        }
    }
}
