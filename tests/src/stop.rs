//! Being asked to end.

use std::io;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Works until it is done, or this process is asked to end. Then the work is dropped, and with it ends what
/// it has started: no node or broker of it stays behind.
///
/// # Errors
/// What the work answers, or that it was stopped.
pub async fn unless_stopped<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        asked = asked_to_end() => bail!("stopped by {}", asked?),
    }
}

async fn asked_to_end() -> io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    })
}
