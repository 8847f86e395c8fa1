//! Accepts connections until the node stops, then lets what is open finish.

mod connection;
mod patient;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{limits::Limits, routes::router, state::ApiState};
use connection::Connection;

/// How long to wait where the system has no descriptors or memory left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves the API on a listener until `shutdown` is cancelled.
///
/// Then the node turns unready, watches end with a bookmark, open requests have
/// [`crate::Limits::grace`] to finish, and what is still open after that is cut off.
///
/// # Errors
/// Where the listener is of no use any more.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let room = Arc::clone(state.connections());
    let rules = Rules { limits: state.limits(), room, http2_only: false };
    let stops = shutdown.clone();
    tokio::select! {
        outcome = serve_router(listener, router(state.clone()), rules, shutdown) => outcome,
        never = turn_away(&state, stops) => match never {},
    }
}

/// Has what runs for callers end as soon as the node stops. It never ends itself.
pub(crate) async fn turn_away(state: &ApiState, stops: CancellationToken) -> Infallible {
    stops.cancelled().await;
    state.shutdown().cancel();
    std::future::pending().await
}

/// How a listener is served.
pub(crate) struct Rules<'a> {
    pub(crate) limits: &'a Limits,
    /// For connections, of all listeners together.
    pub(crate) room: Arc<Semaphore>,
    /// Whether HTTP/1 is not spoken.
    pub(crate) http2_only: bool,
}

/// The same for any router.
pub(crate) async fn serve_router(
    listener: TcpListener,
    router: Router,
    rules: Rules<'_>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (tasks, cut_off) = (TaskTracker::new(), CancellationToken::new());
    let connection = Connection::new(router, &rules, shutdown.clone(), cut_off.clone());
    let Rules { limits, room, .. } = rules;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, permit) = accepted?;
        let connection = connection.clone();
        tasks.spawn(async move {
            connection.run(stream).await;
            drop(permit);
        });
    }
    drop(listener);
    tasks.close();
    if timeout(limits.grace, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "connections are cut off");
        cut_off.cancel();
        tasks.wait().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok((stream, permit)),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
