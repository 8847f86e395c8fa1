//! The connections of this node, by the node at their other end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use model::NodeId;
use parking_lot::{Mutex, RwLock};
use raft::{Call, PeerError, PeerTransport};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    hello::{Myself, Peer, Refused},
    host::Host,
    link::{Failure, Inlet, Link},
    metrics::PeerMetrics,
    tls::{Reason, Refusal},
};

/// A handle on all connections. Clones share them.
#[derive(Clone)]
pub struct Links(Arc<Inner>);

struct Inner {
    links: Mutex<BTreeMap<NodeId, Connected>>,
    /// Why a node could not be reached last.
    failures: Mutex<BTreeMap<NodeId, String>>,
    host: RwLock<Option<Host>>,
    myself: RwLock<Option<Myself>>,
    metrics: PeerMetrics,
    stop: CancellationToken,
}

struct Connected {
    link: Arc<Link>,
    peer: Peer,
    since: Instant,
}

/// How the connection with a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// It is up.
    Connected {
        /// For how long.
        since: Duration,
        /// What the other side runs.
        version: String,
    },
    /// It is not; why the last attempt failed, where there was one.
    Down(Option<String>),
}

impl Links {
    /// No connections yet; all end with `stop`.
    #[must_use]
    pub fn new(metrics: PeerMetrics, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            links: Mutex::default(),
            failures: Mutex::default(),
            host: RwLock::default(),
            myself: RwLock::default(),
            metrics,
            stop,
        }))
    }

    /// Who answers others from now on.
    pub fn lend(&self, host: Host) {
        *self.0.host.write() = Some(host);
    }

    /// Who this node is from now on: before, it is connected with nobody.
    pub fn introduce(&self, myself: Myself) {
        *self.0.myself.write() = Some(myself);
    }

    /// How the connection with a node is.
    #[must_use]
    pub fn state(&self, node: NodeId) -> LinkState {
        if let Some(connected) = self.0.links.lock().get(&node) {
            let (since, version) = (connected.since.elapsed(), connected.peer.version.clone());
            return LinkState::Connected { since, version };
        }
        LinkState::Down(self.0.failures.lock().get(&node).cloned())
    }

    pub(crate) fn host(&self) -> Option<Host> {
        self.0.host.read().clone()
    }

    pub(crate) fn myself(&self) -> Option<Myself> {
        self.0.myself.read().clone()
    }

    pub(crate) fn metrics(&self) -> &PeerMetrics {
        &self.0.metrics
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Whether a node of the cluster may be spoken to.
    pub(crate) fn admit(&self, peer: Peer) -> Result<Peer, Refused> {
        let Some(host) = self.host() else { return Ok(peer) };
        (host.admit)(peer.node, &peer.name).map_err(Refused::NotAdmitted)?;
        Ok(peer)
    }

    /// Tells people of a connection that was refused.
    pub(crate) fn note_refusal(&self, who: &str, label: &'static str, why: &str) {
        self.0.metrics.refused(label);
        warn!(peer = who, reason = label, "a connection is refused: {why}");
    }

    /// The same of a handshake. Who only looks whether somebody listens is no news.
    pub(crate) fn note_stranger(&self, who: &str, refusal: &Refusal) {
        if matches!(refusal.reason, Reason::Other(_)) {
            self.0.metrics.refused(refusal.label());
            debug!(peer = who, "a handshake did not come to its end: {refusal}");
        } else {
            self.note_refusal(who, refusal.label(), &refusal.to_string());
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<Arc<Link>> {
        self.0.links.lock().get(&node).map(|connected| Arc::clone(&connected.link))
    }

    /// Carries a link until it ends. One that was there before is replaced: whoever dials anew
    /// knows that it is of no use.
    pub(crate) async fn carry<S>(&self, peer: Peer, link: Arc<Link>, frames: S)
    where
        S: futures_util::Stream<Item = Result<crate::wire::proto::Frame, tonic::Status>> + Unpin,
    {
        let Some(host) = self.host() else { return link.end() };
        let (node, name) = (peer.node, peer.name.clone());
        info!(%node, name, version = peer.version, "connected");
        self.enter(peer, &link);
        let entered = Entered { links: self, node, link: &link };
        let why = Inlet::new(Arc::clone(&link), host.answer).read(frames).await;
        drop(entered);
        if !self.0.stop.is_cancelled() {
            let why =
                why.map_or_else(|| "it was closed".to_owned(), |why| why.message().to_owned());
            info!(%node, name, why, "the connection has ended");
            self.failed(node, why);
        }
    }

    pub(crate) fn failed(&self, node: NodeId, why: String) {
        self.0.failures.lock().insert(node, why);
    }

    fn enter(&self, peer: Peer, link: &Arc<Link>) {
        self.0.failures.lock().remove(&peer.node);
        let connected = Connected { link: Arc::clone(link), since: Instant::now(), peer };
        let mut links = self.0.links.lock();
        if let Some(former) = links.insert(connected.peer.node, connected) {
            former.link.end();
        }
        self.count(links.len());
    }

    fn leave(&self, node: NodeId, link: &Arc<Link>) {
        let mut links = self.0.links.lock();
        if links.get(&node).is_some_and(|connected| Arc::ptr_eq(&connected.link, link)) {
            links.remove(&node);
        }
        self.count(links.len());
    }

    fn count(&self, links: usize) {
        self.0.metrics.links.set(i64::try_from(links).unwrap_or(i64::MAX));
    }

    fn unreachable(&self, node: NodeId) -> PeerError {
        let known = self.0.failures.lock().get(&node).cloned();
        let detail = known.unwrap_or_else(|| "there is no connection with it yet".to_owned());
        PeerError::Unreachable { node, detail }
    }
}

/// A link's place among the others; given up also where nobody waits for its end any more.
struct Entered<'a> {
    links: &'a Links,
    node: NodeId,
    link: &'a Arc<Link>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.link.end();
        self.links.leave(self.node, self.link);
    }
}

impl PeerTransport for Links {
    fn call(&self, to: NodeId, call: Call) -> BoxFuture<'static, Result<Vec<u8>, PeerError>> {
        let links = self.clone();
        async move {
            let Some(link) = links.get(to) else { return Err(links.unreachable(to)) };
            let deadline = call.deadline;
            link.call(call).await.map_err(|failure| match failure {
                Failure::NotSent(detail) => PeerError::Unreachable { node: to, detail },
                Failure::TimedOut => PeerError::TimedOut { node: to, deadline },
                Failure::Lost => PeerError::Lost { node: to },
                Failure::Refused(detail) => PeerError::Refused { node: to, detail },
            })
        }
        .boxed()
    }
}
