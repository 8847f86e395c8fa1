//! One request and its answer over a connection of its own.
//!
//! Invariant: the connection lives inside the probe's future; dropping that closes it.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{Builder, Connection},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use url::Url;

use super::plain::Plain;
use crate::probe::{
    Shared,
    budget::Budget,
    dial::{Endpoint, Host, dial},
    fault::{Fault, Phase, cause},
    timings::Timings,
    trust::{Alpn, Expiry, Identity, Trust, tls_fault},
};

const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// How long a connection may take to end in peace, once the verdict stands.
const FAREWELL: Duration = Duration::from_millis(10);
/// How much of a body that nobody needs is taken in for the sake of that peace.
const FAREWELL_BYTES: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Link = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// The head of an answer, and the connection that its body comes over.
pub(super) struct Answer {
    head: Response<()>,
    body: Incoming,
    link: Driver,
    peer: SocketAddr,
}

/// A connection that moves only while somebody waits for something from it.
struct Driver {
    link: Option<Pin<Box<Link>>>,
}

/// What every request of one probe's run has in common.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) shared: &'a Shared,
    pub(super) trust: &'a Trust,
    pub(super) budget: Budget,
}

/// What one request showed, also where it failed.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) timings: Timings,
    pub(super) expiry: Option<Expiry>,
}

impl Caller<'_> {
    /// Sends one request and reads the head of its answer.
    pub(super) async fn ask(
        self,
        url: &Url,
        request: Request<Full<Bytes>>,
        seen: &mut Seen,
    ) -> Result<Answer, Fault> {
        let (stream, peer) = self.open(url, seen).await?;
        let asked = Instant::now();
        let late = || Fault::timed_out(Phase::Waiting, peer);
        let (response, link) = self.budget.run(send(stream, request, peer), late).await?;
        seen.timings.first_byte = Some(asked.elapsed());
        Ok(Answer::new(response, link, peer))
    }

    /// A connection to where a URL points, its certificate judged.
    async fn open(
        self,
        url: &Url,
        seen: &mut Seen,
    ) -> Result<(Box<dyn Stream>, SocketAddr), Fault> {
        let Self { shared: Shared { resolver, tls, .. }, trust, budget } = self;
        let endpoint = endpoint(url)?;
        if url.scheme() != "https" {
            let (stream, peer) = dial(resolver, &endpoint, budget, &mut seen.timings).await?;
            return Ok((Box::new(Plain(stream)), peer));
        }
        let identity = Identity::new(&endpoint.host.to_string()).map_err(Fault::failed)?;
        let verifier = tls.verifier(trust, budget).await?;
        let (stream, peer) = dial(resolver, &endpoint, budget, &mut seen.timings).await?;
        let timings = &mut seen.timings;
        let session = tls.handshake(stream, peer, &identity, Alpn::Http, budget, timings).await?;
        seen.expiry = session.expiry();
        match session.verify(verifier.as_deref(), &identity) {
            Ok(()) => Ok((Box::new(session.into_stream()), peer)),
            Err(fault) => {
                session.close(budget).await;
                Err(fault)
            }
        }
    }
}

impl Answer {
    fn new(response: Response<Incoming>, link: Driver, peer: SocketAddr) -> Self {
        let (head, body) = response.into_parts();
        Self { head: Response::from_parts(head, ()), body, link, peer }
    }

    /// The answer that comes over a connection which somebody else has opened.
    #[cfg(any(test, fuzzing))]
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
        peer: SocketAddr,
    ) -> Result<Self, Fault> {
        let (response, link) = send(Box::new(stream), request, peer).await?;
        Ok(Self::new(response, link, peer))
    }

    pub(super) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let frame = match self.link.drive(self.body.frame()).await {
                None => return Ok(None),
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Err(http_fault(&error, Phase::Body, self.peer)),
            };
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// Ends the connection, in peace if that is quick: a server whose last bytes are met by
    /// a reset would log an error.
    pub(super) async fn finish(mut self, budget: Budget) {
        let end = budget.at_most(FAREWELL).end();
        let farewell = async {
            let mut taken = 0;
            while let Ok(Some(piece)) = self.piece().await {
                taken += piece.len();
                if taken > FAREWELL_BYTES {
                    return;
                }
            }
            self.link.end().await;
        };
        timeout_at(end, farewell).await.ok();
    }
}

impl Driver {
    /// Awaits `work` while the connection moves.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let work = std::pin::pin!(work);
        let Some(link) = &mut self.link else {
            return work.await;
        };
        match select(work, link.as_mut()).await {
            Either::Left((done, _)) => done,
            // What went wrong with the connection reaches whoever waits for it by `work`.
            Either::Right((_, work)) => {
                self.link = None;
                work.await
            }
        }
    }

    async fn end(&mut self) {
        if let Some(link) = &mut self.link {
            link.as_mut().await.ok();
        }
    }
}

async fn send(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
    peer: SocketAddr,
) -> Result<(Response<Incoming>, Driver), Fault> {
    let broken = |error| http_fault(&error, Phase::Waiting, peer);
    let mut builder = Builder::new();
    builder.max_header_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let (mut sender, link) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut link = Driver { link: Some(Box::pin(link)) };
    let response = link.drive(sender.send_request(request)).await.map_err(broken)?;
    Ok((response, link))
}

fn endpoint(url: &Url) -> Result<Endpoint, Fault> {
    let host = match url.host() {
        Some(url::Host::Ipv4(address)) => Host::Address(address.into()),
        Some(url::Host::Ipv6(address)) => Host::Address(address.into()),
        Some(url::Host::Domain(name)) => Host::Name(name.to_owned()),
        None => return Err(Fault::failed(format!("{url} names no host"))),
    };
    Ok(Endpoint { host, port: url.port_or_known_default().unwrap_or(80) })
}

fn http_fault(error: &hyper::Error, phase: Phase, peer: SocketAddr) -> Fault {
    if error.is_parse() && error.to_string().contains("too large") {
        let kib = MAX_HEAD / 1024;
        return Fault::failed(format!(
            "the answer's head exceeds {kib} KiB or {MAX_HEADERS} headers"
        ));
    }
    if error.is_parse() {
        return Fault::failed(format!("malformed HTTP answer: {error}"));
    }
    match cause::<std::io::Error>(error) {
        Some(io) if is_malformed(io) => Fault::failed(format!("malformed HTTP answer: {io}")),
        Some(io) => tls_fault(io, phase, peer),
        None if error.is_user() => Fault::failed(format!("cannot send the request: {error}")),
        None => Fault::closed(phase, peer),
    }
}

/// Errors in the framing of a body come as `io::Error`, too; those of TLS are `InvalidData`.
fn is_malformed(error: &std::io::Error) -> bool {
    let framing =
        matches!(error.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData);
    framing && cause::<rustls::Error>(error).is_none()
}
