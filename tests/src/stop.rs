//! Being asked to end.

use anyhow::{Result, bail};
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// What a shell says of a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// Works until it is done, or this process is asked to end by SIGINT or SIGTERM. Then the work is dropped, and
/// with it ends what it holds: no node or broker stays behind. Whoever asks twice does not wait for that.
///
/// # Errors
/// What the work answers, or that it was stopped.
pub async fn unless_stopped<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    // Before the work begins, which may hold this task up for long.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (tell, stopped) = oneshot::channel();
    let listening = tokio::spawn(async move {
        let by = select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        // Nobody waits any more where the work is done.
        let _ = tell.send(by);
        select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(INTERRUPTED);
    });
    let done = select! {
        done = work => done,
        Ok(by) = stopped => bail!("stopped by {by}"),
    };
    listening.abort();
    done
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_asked_to_end_drops_what_it_holds() {
        let held = Arc::new(());
        let gone = Arc::downgrade(&held);
        let (tell, began) = oneshot::channel();
        let work = tokio::spawn(unless_stopped(async move {
            let _held = held;
            tell.send(()).unwrap();
            pending::<Result<()>>().await
        }));
        began.await.unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        let stopped = work.await.unwrap().unwrap_err();
        assert_eq!(stopped.to_string(), "stopped by SIGTERM");
        assert!(gone.upgrade().is_none());
        assert_eq!(unless_stopped(async { Ok(7) }).await.unwrap(), 7);
    }
}
