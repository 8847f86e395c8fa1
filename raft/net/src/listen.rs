//! Accepts connections of other nodes.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tonic::transport::Server;

use crate::{
    links::Links,
    secured::Secured,
    serve::Service,
    tls::{Credentials, Refusal},
    wire::{KEEP_ALIVE, MOST_FRAME, OPENING, SILENCE, WINDOW, proto::peer_server::PeerServer},
};

/// Handshakes at the same time: strangers must not use up what the node needs.
const HANDSHAKES: usize = 64;
/// How long to wait where the system has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen for other nodes on {address}: {source}; stop what listens there, or set listen.peer"
)]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// Listens for other nodes.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the links stop.
    pub fn serve(self, links: &Links, credentials: Credentials) -> JoinHandle<()> {
        let (accepted, connections) = mpsc::channel(HANDSHAKES);
        let accepting = accept(self.listener, links.clone(), credentials, accepted);
        tokio::spawn(links.stop().clone().run_until_cancelled_owned(accepting));
        let incoming = futures_util::stream::unfold(connections, |mut connections| async move {
            let secured: Secured = connections.recv().await?;
            Some((Ok::<_, io::Error>(secured), connections))
        });
        let service = PeerServer::new(Service::new(links.clone()))
            .max_decoding_message_size(MOST_FRAME)
            .max_encoding_message_size(MOST_FRAME);
        let stop = links.stop().clone().cancelled_owned();
        tokio::spawn(async move {
            let served = Server::builder()
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(2 * WINDOW)
                .max_concurrent_streams(16)
                .http2_keepalive_interval(Some(KEEP_ALIVE))
                .http2_keepalive_timeout(Some(SILENCE))
                .add_service(service)
                .serve_with_incoming_shutdown(incoming, stop);
            if let Err(error) = served.await {
                tracing::error!(%error, "nodes can no longer connect");
            }
        })
    }
}

async fn accept(
    listener: TcpListener,
    links: Links,
    credentials: Credentials,
    accepted: mpsc::Sender<Secured>,
) {
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        let (stream, address) = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!(%error, "a connection of a node was not accepted");
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        let (links, credentials, accepted) = (links.clone(), credentials.clone(), accepted.clone());
        tokio::spawn(async move {
            match shake_hands(stream, address, &credentials).await {
                // Nobody takes it any more where the node stops.
                Ok(secured) => drop(accepted.send(secured).await),
                Err(refusal) => links.note_stranger(&address.to_string(), &refusal),
            }
            drop(permit);
        });
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    credentials: &Credentials,
) -> Result<Secured, Refusal> {
    stream.set_nodelay(true).map_err(|error| Refusal::of(&error))?;
    let acceptor = TlsAcceptor::from(credentials.server());
    let shaken = timeout(OPENING, acceptor.accept(stream)).await;
    let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = shaken.map_err(|error| Refusal::of(&error))?;
    Ok(Secured::new(stream.into(), address))
}
