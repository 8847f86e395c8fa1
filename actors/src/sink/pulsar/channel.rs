//! The way to one broker: TCP, and TLS over it.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::address::Address;

/// How long a host may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);

/// What frames go over.
pub(super) trait Channel: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Channel for T {}

/// Connects. The error is for people.
pub(super) async fn dial(
    address: &Address,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Box<dyn Channel>, String> {
    let open = async {
        let stream = TcpStream::connect((address.bare_host(), address.port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        match tls {
            None => Ok(Box::new(stream) as Box<dyn Channel>),
            Some(config) => secure(address, stream, config).await,
        }
    };
    timeout(CONNECT, open).await.unwrap_or_else(|_| Err("no answer".to_owned()))
}

async fn secure(
    address: &Address,
    stream: TcpStream,
    config: &Arc<ClientConfig>,
) -> Result<Box<dyn Channel>, String> {
    let name = ServerName::try_from(address.bare_host().to_owned());
    let name = name.map_err(|_| format!("{} is no name for TLS", address.host))?;
    let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    let secured = secured.map_err(|error| format!("TLS: {error}"))?;
    Ok(Box::new(secured))
}
