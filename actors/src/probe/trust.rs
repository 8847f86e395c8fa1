//! TLS sessions with targets, and whom to believe.
//!
//! Invariant: the handshake itself accepts any certificate, so that an unacceptable one can
//! be described; nothing is sent over a session before [`Session::verify`] has passed,
//! unless the check says not to verify. Sessions are never resumed: a resumed one would
//! show no certificate.

mod accept;
mod certificate;
mod roots;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{ServerName, UnixTime},
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::{accept::AcceptAny, roots::Roots};
use super::{
    budget::Budget,
    fault::{Fault, Phase, cause},
    timings::Timings,
};

pub(crate) use certificate::Expiry;
pub(crate) use roots::Trust;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(10);

/// The protocol to offer in the handshake (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// None: the check is about TLS alone.
    None,
    /// HTTP/1.1.
    Http,
}

/// The name that a certificate must be for.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    text: String,
    name: ServerName<'static>,
}

/// What TLS probes share: one configuration for each protocol, and the roots to trust.
pub(crate) struct Tls {
    plain: TlsConnector,
    http: TlsConnector,
    roots: Roots,
}

/// A session whose certificate nobody has judged yet.
pub(crate) struct Session {
    stream: TlsStream<TcpStream>,
}

impl Identity {
    /// Reads a DNS name or an address; an IPv6 address may stand in brackets.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| format!("{text:?} is not a name that a certificate can be for"))?;
        Ok(Self { text: bare.to_owned(), name })
    }
}

impl Tls {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(Self {
            plain: connector(&provider, &[])?,
            http: connector(&provider, &[b"http/1.1"])?,
            roots: Roots::new(provider),
        })
    }

    /// Whom a check trusts; a file is read when the check runs.
    pub(crate) fn trust(&self, verify: bool, ca_file: Option<&str>) -> Trust {
        self.roots.trust(verify, ca_file)
    }

    /// What judges certificates; `None` where nobody does.
    pub(crate) async fn verifier(
        &self,
        trust: &Trust,
        budget: Budget,
    ) -> Result<Option<Arc<WebPkiServerVerifier>>, Fault> {
        self.roots.verifier(trust, budget).await
    }

    /// A handshake with any certificate.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        identity: &Identity,
        alpn: Alpn,
        budget: Budget,
        timings: &mut Timings,
    ) -> Result<Session, Fault> {
        let started = Instant::now();
        let connector = match alpn {
            Alpn::None => &self.plain,
            Alpn::Http => &self.http,
        };
        let handshake = connector.connect(identity.name.clone(), stream);
        let work =
            async { handshake.await.map_err(|error| tls_fault(&error, Phase::Handshake, peer)) };
        let stream = budget.run(work, || Fault::timed_out(Phase::Handshake, peer)).await?;
        timings.tls = Some(started.elapsed());
        Ok(Session { stream })
    }
}

impl Session {
    /// When the server's certificate ends; `None` where it cannot be read.
    pub(crate) fn expiry(&self) -> Option<Expiry> {
        let (_, connection) = self.stream.get_ref();
        Expiry::of(connection.peer_certificates()?.first()?)
    }

    /// Judges the certificate: its chain, its dates and its name.
    pub(crate) fn verify(
        &self,
        verifier: Option<&WebPkiServerVerifier>,
        identity: &Identity,
    ) -> Result<(), Fault> {
        let Some(verifier) = verifier else {
            return Ok(());
        };
        let (_, connection) = self.stream.get_ref();
        let Some((leaf, others)) = connection.peer_certificates().and_then(<[_]>::split_first)
        else {
            return Err(Fault::failed("TLS: the server has no certificate"));
        };
        let now = UnixTime::now();
        match verifier.verify_server_cert(leaf, others, &identity.name, &[], now) {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::failed(certificate::describe(&error, leaf, &identity.text))),
        }
    }

    /// The stream, for whoever has verified the session.
    pub(crate) fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }

    /// Says goodbye, so that the server has no error to log.
    pub(crate) async fn close(mut self, budget: Budget) {
        let end = budget.at_most(FAREWELL).end();
        timeout_at(end, self.stream.shutdown()).await.ok();
    }
}

/// What an error of a TLS stream means.
pub(crate) fn tls_fault(error: &std::io::Error, phase: Phase, peer: SocketAddr) -> Fault {
    match cause::<rustls::Error>(error) {
        Some(tls) => Fault::failed(certificate::describe_session(tls)),
        None => Fault::io(error, phase, peer),
    }
}

fn connector(
    provider: &Arc<CryptoProvider>,
    protocols: &[&[u8]],
) -> Result<TlsConnector, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny::new(Arc::clone(provider))))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}
