//! SIGTERM and SIGINT stop the node, SIGHUP reloads its configuration.

use std::{io, sync::Arc};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reloader;

/// Received from the moment of installation, so that a signal during the start is not lost.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when a node shall stop that has nothing to reload yet.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns when the node shall stop.
    pub(super) async fn wait(mut self, reloader: &Arc<Reloader>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    // The outcome is logged and counted; the former configuration stays in force.
                    let _ = reloader.reload().await;
                }
            }
        }
    }
}
