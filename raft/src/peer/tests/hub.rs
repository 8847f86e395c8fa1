//! The cluster of a test: its nodes, their disks, and the links between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, join_all};
use model::{NodeId, ShardId, ShardTime, WallTime};
use parking_lot::Mutex;
use rand::{rngs::StdRng, seq::IndexedRandom};
use tokio::time::{sleep, timeout};

use crate::{
    clock::{Clock, SystemClock},
    disk::{CutDisk, Disk, MemoryDisk, Space},
    fixture::stored,
    group::Role,
    node::{Joins, Options, Shards},
    peer::{Call, PeerError, PeerTransport},
    store::keys::Keys,
};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// The clocks of one machine: since a boot of its own, and hours beside those of the others.
struct OwnClock {
    node: NodeId,
    system: SystemClock,
}

impl Clock for OwnClock {
    fn wall(&self) -> WallTime {
        let hours = i64::try_from(self.node.0).unwrap() * 3_600_000;
        WallTime(self.system.wall().0 + hours)
    }

    fn boot(&self) -> u64 {
        self.node.0
    }

    fn boot_millis(&self) -> u64 {
        self.system.boot_millis() + self.node.0 * 1_000_000
    }
}

/// A node that runs, or has run.
struct Member {
    disk: Arc<MemoryDisk>,
    power: Arc<CutDisk>,
    shards: Option<Shards>,
}

#[derive(Default)]
struct Hub {
    members: Mutex<BTreeMap<NodeId, Member>>,
    /// Links that carry nothing, by their direction.
    cut: Mutex<BTreeSet<(NodeId, NodeId)>>,
}

impl Hub {
    fn carries(&self, from: NodeId, to: NodeId) -> bool {
        !self.cut.lock().contains(&(from, to))
    }

    fn running(&self, node: NodeId) -> Option<Shards> {
        self.members.lock().get(&node)?.shards.clone()
    }
}

/// One node's side of the links.
struct Links {
    from: NodeId,
    hub: Arc<Hub>,
}

impl PeerTransport for Links {
    fn call(&self, to: NodeId, call: Call) -> BoxFuture<'static, Result<Vec<u8>, PeerError>> {
        let (from, hub) = (self.from, Arc::clone(&self.hub));
        async move {
            let deadline = call.deadline;
            let late = PeerError::TimedOut { node: to, deadline };
            let Some(shards) = hub.running(to).filter(|_| hub.carries(from, to)) else {
                // A packet that is dropped is not told of.
                sleep(deadline).await;
                return Err(late);
            };
            let answer = timeout(deadline, shards.answer_peer(call.group, &call.body)).await;
            if !hub.carries(to, from) {
                sleep(deadline).await;
                return Err(late);
            }
            let answer = answer.map_err(|_| late)?;
            answer.map_err(|detail| PeerError::Refused { node: to, detail })
        }
        .boxed()
    }
}

/// See the module.
pub(super) struct Cluster {
    hub: Arc<Hub>,
    shards: u32,
    founder: Joins,
}

impl Cluster {
    /// The first node founds, the others join; all are voters of all groups, and the first leads.
    pub(super) async fn of(nodes: &[NodeId], shards: u32) -> Self {
        let hub = Arc::new(Hub::default());
        let first = nodes[0];
        let founder = start(&hub, first, shards, None).await;
        let joins = Joins { cluster: founder.cluster().clone(), node: first };
        for node in &nodes[1..] {
            start(&hub, *node, shards, Some(Joins { node: *node, ..joins.clone() })).await;
        }
        let voters = nodes.iter().copied().collect();
        for group in 0..=u64::from(shards) {
            founder.set_voters(group, &voters).await.unwrap();
        }
        Self { hub, shards, founder: joins }
    }

    pub(super) fn node(&self, node: NodeId) -> Shards {
        self.hub.running(node).expect("the node runs")
    }

    fn running(&self) -> Vec<(NodeId, Shards)> {
        let members = self.hub.members.lock();
        members.iter().filter_map(|(id, m)| Some((*id, m.shards.clone()?))).collect()
    }

    /// A node that leads a shard and can be reached by the others.
    pub(super) async fn leader(&self, shard: ShardId) -> Option<Shards> {
        let running = self.running();
        let ids: Vec<NodeId> = running.iter().map(|(id, _)| *id).collect();
        let reached = |id: NodeId| {
            let peers = ids.iter().filter(|other| **other != id);
            peers.filter(|o| self.hub.carries(**o, id) && self.hub.carries(id, **o)).count() > 0
        };
        let leads = |shards: &Shards| shards.role(shard).borrow().is_leader();
        let mut candidates = running.into_iter().filter(|(id, s)| leads(s) && reached(*id));
        candidates.next().map(|(_, shards)| shards)
    }

    /// The shard's time as its leader has it now.
    pub(super) async fn shard_time(&self, shard: ShardId) -> ShardTime {
        let leader = self.leader(shard).await.expect("the shard is led");
        let role = *leader.role(shard).borrow();
        let Role::Leader(leadership) = role else { panic!("{role:?}") };
        leadership.shard_time(leader.clock().boot_millis())
    }

    /// Cuts a link in both directions.
    pub(super) fn cut(&self, one: NodeId, other: NodeId) {
        self.hub.cut.lock().extend([(one, other), (other, one)]);
    }

    /// Cuts a node off from all others.
    pub(super) fn isolate(&self, node: NodeId) {
        let others: Vec<NodeId> = self.hub.members.lock().keys().copied().collect();
        for other in others.into_iter().filter(|other| *other != node) {
            self.cut(node, other);
        }
    }

    pub(super) fn heal(&self) {
        self.hub.cut.lock().clear();
    }

    /// Ends a node as a power cut does: what was not synced is gone.
    pub(super) async fn kill(&self, node: NodeId) {
        let shards = {
            let mut members = self.hub.members.lock();
            let member = members.get_mut(&node).expect("a node of the cluster");
            member.power.cut();
            member.shards.take()
        };
        if let Some(shards) = shards {
            shards.close().await;
        }
    }

    pub(super) async fn restart_the_dead(&self) {
        let dead: Vec<NodeId> = {
            let members = self.hub.members.lock();
            members.iter().filter(|(_, m)| m.shards.is_none()).map(|(id, _)| *id).collect()
        };
        for node in dead {
            let joins = Joins { node, ..self.founder.clone() };
            start(&self.hub, node, self.shards, Some(joins)).await;
        }
    }

    /// Hands some leads to other nodes, as far as they can take them.
    pub(super) async fn shuffle_leads(&self, random: &mut StdRng) {
        let ids: Vec<NodeId> = self.hub.members.lock().keys().copied().collect();
        for shard in (0..self.shards).map(ShardId) {
            let Some(leader) = self.leader(shard).await else { continue };
            let to = *ids.choose(random).unwrap();
            // One that lags or leads already is refused, which is what the test wants to see.
            let _ = leader.transfer(Shards::group_number(shard), to).await;
        }
    }

    /// Waits until other nodes lead all shards.
    pub(super) async fn wait_for_other_leaders(&self, than: NodeId) {
        let led = || {
            let others: Vec<Shards> =
                self.running().into_iter().filter(|(id, _)| *id != than).map(|(_, s)| s).collect();
            let leads = |shard| others.iter().any(|s| s.role(shard).borrow().is_leader());
            (0..self.shards).map(ShardId).all(leads)
        };
        self.eventually(led, "others lead").await;
    }

    /// Waits until every replica has applied the same.
    pub(super) async fn settle(&self) {
        let level = || {
            let running = self.running();
            (0..self.shards).map(ShardId).all(|shard| {
                let mut applied = running.iter().map(|(_, s)| *s.applied(shard).borrow());
                let first = applied.next();
                let led = running.iter().any(|(_, s)| s.role(shard).borrow().is_leader());
                led && applied.all(|other| Some(other) == first)
            })
        };
        self.eventually(level, "all replicas are level").await;
    }

    async fn eventually(&self, done: impl Fn() -> bool, what: &str) {
        let wait = async {
            while !done() {
                sleep(LOOK).await;
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "not within {PATIENCE:?}: {what}");
    }

    /// Compares what the replicas hold, byte by byte. Nothing may happen meanwhile.
    pub(super) fn assert_equal(&self) {
        let members = self.hub.members.lock();
        for group in 0..=u64::from(self.shards) {
            let keys = Keys::new(group);
            let mut held = members.iter().map(|(id, m)| {
                (*id, stored(m.disk.as_ref(), Space::State, keys))
            });
            let (first, expected) = held.next().unwrap();
            for (other, found) in held {
                assert!(found == expected, "group {group} differs on nodes {first} and {other}");
            }
        }
    }

    pub(super) async fn close(self) {
        join_all(self.running().iter().map(|(_, shards)| shards.close())).await;
    }
}

async fn start(hub: &Arc<Hub>, node: NodeId, shards: u32, joins: Option<Joins>) -> Shards {
    let former = hub.members.lock().get(&node).map(|member| Arc::clone(&member.disk));
    let disk = former.unwrap_or_default();
    let power = CutDisk::over(&disk);
    let options = Options {
        disk: Some(Arc::<CutDisk>::clone(&power) as Arc<dyn Disk>),
        fatal: Arc::new(|_| {}),
        transport: Arc::new(Links { from: node, hub: Arc::clone(hub) }),
        joins,
        clock: Arc::new(OwnClock { node, system: SystemClock::new() }),
        ..Options::memory_for_tests("home", shards)
    };
    let opened = Shards::open(options).await.unwrap();
    let member = Member { disk, power, shards: Some(opened.clone()) };
    hub.members.lock().insert(node, member);
    opened
}
