//! The links between the nodes: they delay, lose, repeat and are cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, pending};
use model::NodeId;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::chance;
use crate::{
    node::Shards,
    peer::{Call, PeerError, PeerTransport},
};

/// A connection that carries nothing for so long has ended.
const SILENCE: Duration = Duration::from_secs(3);

/// What all links do to what they carry, one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// At most so long.
    pub(crate) delay: Duration,
    /// So many of a thousand are lost.
    pub(crate) lost: u64,
    /// So many of a thousand arrive twice.
    pub(crate) repeated: u64,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { delay: Duration::from_millis(1), lost: 0, repeated: 0 };
}

/// Who can be reached, and how.
pub(crate) struct Net {
    running: Mutex<BTreeMap<NodeId, Shards>>,
    /// How often each node was started.
    lives: Mutex<BTreeMap<NodeId, u64>>,
    /// Links that carry nothing, by their direction.
    cut: Mutex<BTreeSet<(NodeId, NodeId)>>,
    weather: Mutex<Weather>,
}

impl Net {
    pub(crate) fn new() -> Arc<Self> {
        let (running, lives, cut) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { running, lives, cut, weather: Mutex::new(Weather::FAIR) })
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.weather.lock() = weather;
    }

    pub(crate) fn enter(&self, node: NodeId, shards: Shards) {
        *self.lives.lock().entry(node).or_default() += 1;
        self.running.lock().insert(node, shards);
    }

    /// How often a node was started.
    pub(crate) fn life(&self, node: NodeId) -> u64 {
        self.lives.lock().get(&node).copied().unwrap_or_default()
    }

    pub(crate) fn leave(&self, node: NodeId) -> Option<Shards> {
        self.running.lock().remove(&node)
    }

    pub(crate) fn running(&self) -> Vec<(NodeId, Shards)> {
        self.running.lock().iter().map(|(id, shards)| (*id, shards.clone())).collect()
    }

    pub(crate) fn node(&self, node: NodeId) -> Option<Shards> {
        self.running.lock().get(&node).cloned()
    }

    /// Cuts a link in one direction.
    pub(crate) fn cut(&self, from: NodeId, to: NodeId) {
        self.cut.lock().insert((from, to));
    }

    pub(crate) fn heal(&self) {
        self.cut.lock().clear();
        self.set_weather(Weather::FAIR);
    }

    pub(crate) fn carries(&self, from: NodeId, to: NodeId) -> bool {
        !self.cut.lock().contains(&(from, to))
    }

    /// Takes a packet from one node to another. Nobody tells that one was lost: it never ends then.
    async fn carry(&self, from: NodeId, to: NodeId) {
        let Weather { delay, lost, .. } = *self.weather.lock();
        let most = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        sleep(Duration::from_micros(chance(50..most.max(51)))).await;
        // One that has ended says nothing any more, whatever is still winding down.
        let ended = self.node(from).is_none();
        if ended || !self.carries(from, to) || chance(0..1_000) < lost {
            pending::<()>().await;
        }
    }

    fn repeats(&self) -> bool {
        chance(0..1_000) < self.weather.lock().repeated
    }
}

/// One node's side of the links.
pub(crate) struct Links {
    pub(crate) from: NodeId,
    pub(crate) net: Arc<Net>,
}

impl PeerTransport for Links {
    fn call(&self, to: NodeId, call: Call) -> BoxFuture<'static, Result<Vec<u8>, PeerError>> {
        let (from, net, deadline) = (self.from, Arc::clone(&self.net), call.deadline);
        let passing = async move {
            // A connection that was closed is known at once.
            let Some(shards) = net.node(to) else {
                let detail = "it does not run".to_owned();
                return Err(PeerError::Unreachable { node: to, detail });
            };
            net.carry(from, to).await;
            if net.repeats() {
                // What the repeat is answered is lost.
                let _ = shards.answer_peer(call.group, &call.body).await;
            }
            let answer = shards.answer_peer(call.group, &call.body).await;
            net.carry(to, from).await;
            answer.map_err(|detail| PeerError::Refused { node: to, detail })
        };
        async move {
            let late = match deadline > SILENCE {
                true => PeerError::Lost { node: to },
                false => PeerError::TimedOut { node: to, deadline },
            };
            timeout(deadline.min(SILENCE), passing).await.unwrap_or(Err(late))
        }
        .boxed()
    }
}
