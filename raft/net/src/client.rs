//! Opens connections to other nodes.

use std::{error::Error, io, sync::Arc};

use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{
    secured::{Caller, Secured},
    tls::{Credentials, Reason, Refusal},
    wire::{KEEP_ALIVE, MOST_FRAME, OPENING, SILENCE, WINDOW, proto::peer_client::PeerClient},
};

/// Why a node cannot be reached at an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nobody is there.
    #[error("{address}: {detail}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system says.
        detail: String,
    },
    /// One side does not take the other's certificate.
    #[error("{address}: {detail}")]
    Certificate {
        /// Where.
        address: String,
        /// Which side, and why.
        detail: String,
    },
    /// It does not want this node.
    #[error("{address} refuses: {detail}")]
    Refused {
        /// Where.
        address: String,
        /// Why.
        detail: String,
    },
}

/// A way to a node, and who it is by its certificate.
pub(crate) struct Opened {
    pub(crate) client: PeerClient<Channel>,
    pub(crate) names: Vec<String>,
}

/// Connects with whoever listens at an address.
pub(crate) async fn open(credentials: &Credentials, address: &str) -> Result<Opened, DialError> {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (seen, config, to) = (Arc::clone(&shown), credentials.client(), address.to_owned());
    let connector = tower::service_fn(move |_: Uri| {
        let (seen, config, to) = (Arc::clone(&seen), Arc::clone(&config), to.clone());
        async move {
            let secured = connect(&to, TlsConnector::from(config)).await?;
            let Caller { names, .. } = secured.caller().clone();
            *seen.lock() = names;
            Ok::<_, io::Error>(TokioIo::new(secured))
        }
    });
    let endpoint = Endpoint::from_static("http://node")
        .connect_timeout(OPENING)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(SILENCE)
        .keep_alive_while_idle(true);
    let connecting = timeout(OPENING, endpoint.connect_with_connector(connector)).await;
    let channel = match connecting {
        Ok(connected) => connected.map_err(|error| failure(address, &error))?,
        Err(_) => {
            let detail = format!("it does not answer within {OPENING:?}");
            return Err(DialError::Unreachable { address: address.to_owned(), detail });
        }
    };
    let client = PeerClient::new(channel)
        .max_decoding_message_size(MOST_FRAME)
        .max_encoding_message_size(MOST_FRAME);
    let names = std::mem::take(&mut *shown.lock());
    Ok(Opened { client, names })
}

async fn connect(address: &str, connector: TlsConnector) -> io::Result<Secured> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    // Nodes are known by the names in their certificates and not by where they are: no name is
    // asked for, and the one that is shown is compared by whoever greets.
    let name = ServerName::IpAddress(remote.ip().into());
    Ok(Secured::new(connector.connect(name, stream).await?.into(), remote))
}

/// What went wrong, from an error of the transport or a status of the other side. With TLS 1.3 a
/// certificate that the other side does not take shows at the first read only.
pub(crate) fn failure(address: &str, error: &(dyn Error + 'static)) -> DialError {
    let address = address.to_owned();
    let refusal = Refusal::of(error);
    if !matches!(refusal.reason, Reason::Other(_)) {
        return DialError::Certificate { address, detail: refusal.to_string() };
    }
    match error.downcast_ref::<tonic::Status>() {
        Some(status) if status.source().is_none() => {
            DialError::Refused { address, detail: status.message().to_owned() }
        }
        _ => DialError::Unreachable { address, detail: deepest(error).to_string() },
    }
}

fn deepest<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
