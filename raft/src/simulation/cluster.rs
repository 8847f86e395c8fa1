//! The cluster of a simulation: its nodes, their disks and clocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use model::{NodeId, Revision, ShardId, ShardTime, WallTime};
use openraft::type_config::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{
    apply, chance, fsync,
    links::{Links, Net, Weather},
};
use crate::{
    clock::Clock,
    disk::{CutDisk, Disk, MemoryDisk, Space},
    fixture::stored,
    group::{Role, Shortening},
    node::{Joins, Options, Shards, Simulated},
    store::{keys::Keys, log::written_committed},
};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Soon enough that replicas which were away need a snapshot.
const SHORTENING: Shortening = Shortening { after: 12, kept: 4 };

/// The clocks of one machine: since a boot of its own, and hours beside those of the others.
struct OwnClock {
    node: NodeId,
    began: Instant,
}

impl OwnClock {
    fn new(node: NodeId) -> Self {
        Self { node, began: Instant::now() }
    }
}

impl Clock for OwnClock {
    fn wall(&self) -> WallTime {
        let hours = i64::try_from(self.node.0).unwrap() * 3_600_000;
        WallTime(i64::try_from(self.boot_millis()).unwrap() + hours)
    }

    fn boot(&self) -> u64 {
        self.node.0
    }

    fn boot_millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap() + self.node.0 * 1_000_000
    }
}

/// A machine, whether its node runs or not.
struct Machine {
    disk: Arc<MemoryDisk>,
    power: Arc<CutDisk>,
    clock: Arc<OwnClock>,
}

/// See the module.
pub(crate) struct Cluster {
    pub(crate) net: Arc<Net>,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
    shards: u32,
    founder: Joins,
}

impl Cluster {
    /// The first node founds, the others join; all are voters of all groups, and the first leads.
    pub(crate) async fn of(nodes: &[NodeId], shards: u32) -> Self {
        let net = Net::new();
        let mut machines = BTreeMap::new();
        let first = nodes[0];
        let machine = switched_on(first, None);
        let founder = start(&net, first, &machine, shards, None).await;
        machines.insert(first, machine);
        let joins = Joins { cluster: founder.cluster().clone(), node: first };
        for node in &nodes[1..] {
            let machine = switched_on(*node, None);
            let joins = Joins { node: *node, ..joins.clone() };
            start(&net, *node, &machine, shards, Some(joins)).await;
            machines.insert(*node, machine);
        }
        let voters = nodes.iter().copied().collect();
        for group in 0..=u64::from(shards) {
            founder.set_voters(group, &voters).await.unwrap();
        }
        Self { net, machines: Mutex::new(machines), shards, founder: joins }
    }

    pub(crate) fn node(&self, node: NodeId) -> Shards {
        self.net.node(node).expect("the node runs")
    }

    /// Any node that runs.
    pub(crate) fn any(&self) -> Shards {
        let mut running = self.net.running();
        assert!(!running.is_empty(), "all nodes are down");
        let at = usize::try_from(chance(0..running.len() as u64)).unwrap();
        running.swap_remove(at).1
    }

    fn all(&self) -> Vec<NodeId> {
        self.machines.lock().keys().copied().collect()
    }

    /// A node that leads a shard and reaches another one both ways.
    pub(crate) fn leader(&self, shard: ShardId) -> Option<Shards> {
        self.leader_of(Shards::group_number(shard))
    }

    fn leader_of(&self, group: u64) -> Option<Shards> {
        let running = self.net.running();
        let reaches = |id: NodeId| {
            let mut others = running.iter().map(|(other, _)| *other).filter(|o| *o != id);
            others.any(|other| self.net.carries(id, other) && self.net.carries(other, id))
        };
        let leads = |shards: &Shards| shards.progress(group).1;
        let found = running.iter().find(|(id, shards)| leads(shards) && reaches(*id));
        found.map(|(_, shards)| shards.clone())
    }

    /// The shard's time as its leader has it now.
    pub(crate) fn shard_time(&self, shard: ShardId) -> ShardTime {
        let leader = self.leader(shard).expect("the shard is led");
        let role = *leader.role(shard).borrow();
        let Role::Leader(leadership) = role else { panic!("{role:?}") };
        leadership.shard_time(leader.clock().boot_millis())
    }

    /// Cuts a node off from all others.
    pub(crate) fn isolate(&self, node: NodeId) {
        for other in self.all().into_iter().filter(|other| *other != node) {
            self.net.cut(node, other);
            self.net.cut(other, node);
        }
    }

    /// Ends a node as a power cut does: what was not synced is gone, all of it or the end.
    pub(crate) async fn kill(&self, node: NodeId) {
        self.machines.lock()[&node].power.cut_with_luck(chance(0..4));
        if let Some(shards) = self.net.leave(node) {
            shards.close().await;
        }
    }

    pub(crate) async fn restart_the_dead(&self) {
        for node in self.all() {
            if self.net.node(node).is_some() {
                continue;
            }
            let machine = switched_on(node, self.machines.lock().get(&node));
            let joins = Joins { node, ..self.founder.clone() };
            start(&self.net, node, &machine, self.shards, Some(joins)).await;
            self.machines.lock().insert(node, machine);
        }
    }

    /// Hands the leads to nodes by chance, as far as they can take them.
    pub(crate) async fn shuffle_leads(&self) {
        let all = self.all();
        for shard in (0..self.shards).map(ShardId) {
            let Some(leader) = self.leader(shard) else { continue };
            let to = all[usize::try_from(chance(0..all.len() as u64)).unwrap()];
            // One that lags or leads already is refused, which is as good here.
            let _ = leader.transfer(Shards::group_number(shard), to).await;
        }
    }

    /// Makes some of the nodes the voters of each group, two at least.
    pub(crate) async fn shuffle_voters(&self) {
        let mut voters: BTreeSet<NodeId> = self.all().into_iter().collect();
        let out = usize::try_from(chance(0..voters.len() as u64 + 1)).unwrap();
        if let Some(out) = voters.iter().nth(out).copied() {
            voters.remove(&out);
        }
        let change = async |group| self.try_voters(group, &voters).await;
        join_all((0..=u64::from(self.shards)).map(change)).await;
    }

    /// Makes all nodes voters again, however long it takes.
    pub(crate) async fn all_vote(&self) {
        let voters: BTreeSet<NodeId> = self.all().into_iter().collect();
        for group in 0..=u64::from(self.shards) {
            let all_in = async { while !self.try_voters(group, &voters).await {} };
            let done = timeout(PATIENCE, all_in).await.is_ok();
            assert!(done, "not all vote in group {group}\n{}", self.picture());
        }
    }

    /// What is refused or takes too long may still come about, or not.
    async fn try_voters(&self, group: u64, voters: &BTreeSet<NodeId>) -> bool {
        let Some(leader) = self.leader_of(group) else {
            sleep(LOOK).await;
            return false;
        };
        let changed = timeout(Duration::from_secs(2), leader.set_voters(group, voters)).await;
        if !matches!(changed, Ok(Ok(()))) {
            sleep(LOOK).await;
        }
        matches!(changed, Ok(Ok(())))
    }

    pub(crate) fn heal(&self) {
        self.net.heal();
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.net.set_weather(weather);
    }

    /// Waits until other nodes lead all shards.
    pub(crate) async fn wait_for_other_leaders(&self, than: NodeId) {
        let led = || {
            let mut others = self.net.running();
            others.retain(|(id, _)| *id != than);
            let leads = |shard| others.iter().any(|(_, s)| s.role(shard).borrow().is_leader());
            (0..self.shards).map(ShardId).all(leads)
        };
        self.eventually(led, "others lead").await;
    }

    /// Waits until every replica has applied the same.
    pub(crate) async fn settle(&self) {
        let level = || {
            let running = self.net.running();
            (0..=u64::from(self.shards)).all(|group| {
                let of_group = |shards: &Shards| shards.progress(group);
                let mut all = running.iter().map(|(_, shards)| of_group(shards));
                let Some((first, mut led)) = all.next() else { return false };
                all.all(|(applied, leads)| {
                    led |= leads;
                    applied == first
                }) && led
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
        let done = timeout(PATIENCE, wait).await.is_ok();
        assert!(done, "not within {PATIENCE:?}: {what}\n{}", self.picture());
    }

    /// What each node says of each group, a line each.
    fn picture(&self) -> String {
        let running = self.net.running();
        let of_group = |group: u64| {
            running.iter().map(move |(id, shards)| {
                let group = &shards.inner.groups[usize::try_from(group).unwrap()];
                format!("node {id}: {}\n", *group.raft.metrics().borrow_watched())
            })
        };
        (0..=u64::from(self.shards)).flat_map(of_group).collect()
    }

    /// Compares what the replicas hold, byte by byte. Nothing may happen meanwhile.
    pub(crate) fn assert_equal(&self) {
        let machines = self.machines.lock();
        for group in 0..=u64::from(self.shards) {
            let held =
                |machine: &Machine| stored(machine.disk.as_ref(), Space::State, Keys::new(group));
            let mut all = machines.iter().map(|(id, machine)| (*id, held(machine)));
            let (first, expected) = all.next().expect("a cluster has a node");
            for (other, found) in all {
                assert!(found == expected, "group {group} differs on nodes {first} and {other}");
            }
        }
    }

    pub(crate) async fn close(self) {
        join_all(self.net.running().iter().map(|(_, shards)| shards.close())).await;
    }
}

impl Shards {
    /// How far a group has applied here, and whether this node leads it.
    fn progress(&self, group: u64) -> (Revision, bool) {
        let group = &self.inner.groups[usize::try_from(group).unwrap()];
        (group.replica.revision(), group.role_now().is_leader())
    }
}

/// The machine with its power on; its disk is what it was.
fn switched_on(node: NodeId, former: Option<&Machine>) -> Machine {
    let disk = former.map(|machine| Arc::clone(&machine.disk)).unwrap_or_default();
    let clock = former.map(|machine| Arc::clone(&machine.clock));
    let clock = clock.unwrap_or_else(|| Arc::new(OwnClock::new(node)));
    Machine { power: CutDisk::over(&disk), disk, clock }
}

async fn start(
    net: &Arc<Net>,
    node: NodeId,
    machine: &Machine,
    shards: u32,
    joins: Option<Joins>,
) -> Shards {
    let options = Options {
        disk: Some(Arc::<CutDisk>::clone(&machine.power) as Arc<dyn Disk>),
        fatal: Arc::new(|_| {}),
        transport: Arc::new(Links { from: node, net: Arc::clone(net) }),
        joins,
        clock: Arc::<OwnClock>::clone(&machine.clock) as Arc<dyn Clock>,
        simulated: Some(Simulated { fsync, apply, shortening: SHORTENING }),
        ..Options::in_memory("home", shards)
    };
    let committed: Vec<_> = (0..=u64::from(shards))
        .map(|group| written_committed(machine.disk.as_ref(), Keys::new(group)).unwrap())
        .collect();
    let opened = Shards::open(options).await.unwrap();
    // Without anybody's help: nobody else may have come back yet.
    for (group, committed) in (0..).zip(committed) {
        let (applied, upto) = (opened.progress(group).0.0, committed.map_or(0, |id| id.index));
        assert!(
            applied >= upto,
            "node {node} knew that group {group} had {upto}, and has {applied}"
        );
    }
    net.enter(node, opened.clone());
    opened
}
