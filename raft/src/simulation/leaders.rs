//! What the leader of a shard does in a history: it probes a resource each slot, takes its time, and
//! reports by the term that it led then. Whoever looks on notes what must never be seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{Incarnation, Metrics, NodeId, Outcome, Resource, ResourceId, ShardId, Term};
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{chance, links::Net};
use crate::{
    command::{Command, Reply, Report, ReportBody, ReportReply},
    group::{Leadership, Role},
    node::Shards,
    query::Consistency,
};

const LOOK: Duration = Duration::from_millis(10);
/// Each so many looks a leader sees whether a slot is due.
const PROBES: u64 = 10;
/// The longest that a probe takes, in milliseconds: beyond the end of a lead.
const PROBE: u64 = 1_500;
const PATIENCE: Duration = Duration::from_secs(5);

/// What clients and leaders saw so far. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Sights>>);

#[derive(Default)]
struct Sights {
    acknowledged: Vec<ResourceId>,
    /// Of each slot that took a result, its resource, life, epoch and number.
    taken: BTreeSet<(ResourceId, Incarnation, u32, u64)>,
    wrong: Vec<String>,
}

impl Seen {
    pub(super) fn acknowledge(&self, id: &ResourceId) {
        self.0.lock().acknowledged.push(id.clone());
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.0.lock().wrong.clone()
    }

    fn note(&self, wrong: String) {
        self.0.lock().wrong.push(wrong);
    }

    fn acknowledged(&self) -> Vec<ResourceId> {
        self.0.lock().acknowledged.clone()
    }
}

/// Looks at all leaders until it is dropped.
pub(super) struct Leaders(JoinHandle<()>);

impl Drop for Leaders {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Leaders {
    pub(super) fn watch(net: &Arc<Net>, seen: &Seen) -> Self {
        let mut watch = Watch {
            net: Arc::clone(net),
            seen: seen.clone(),
            led: BTreeMap::new(),
            probed: BTreeMap::new(),
        };
        Self(tokio::spawn(async move {
            for look in 1.. {
                // Who comes to lead from here on has all of these.
                let before = watch.seen.acknowledged();
                sleep(LOOK).await;
                watch.look(&before, look % PROBES == 0).await;
            }
        }))
    }
}

struct Watch {
    net: Arc<Net>,
    seen: Seen,
    /// The last lead of each node in each shard: in which of the node's lives, and its term.
    led: BTreeMap<(NodeId, ShardId), (u64, Term)>,
    probed: BTreeMap<(ShardId, Term), u64>,
}

impl Watch {
    async fn look(&mut self, before: &[ResourceId], probes: bool) {
        for (node, shards) in self.net.running() {
            for shard in shards.shard_ids() {
                let role = *shards.role(shard).borrow();
                if let Role::Leader(leadership) = role {
                    self.lead((node, shard), &shards, leadership.term, before).await;
                    if probes {
                        self.probe(&shards, shard, leadership).await;
                    }
                }
            }
        }
    }

    /// A lead is elected anew after a restart (SEMANTICS 25), and has everything when it begins
    /// (SEMANTICS 1).
    async fn lead(
        &mut self,
        place: (NodeId, ShardId),
        shards: &Shards,
        term: Term,
        before: &[ResourceId],
    ) {
        let life = self.net.life(place.0);
        let former = self.led.insert(place, (life, term));
        if former == Some((life, term)) {
            return;
        }
        let (node, shard) = place;
        if former.is_some_and(|(_, led)| led >= term) {
            self.seen.note(format!(
                "node {node} was restarted and leads shard {shard} in its term {term} of before"
            ));
        }
        for id in before.iter().filter(|id| shards.shard_of(id) == shard) {
            let read = shards.get(id, Consistency::Stale).await;
            if read.is_ok_and(|read| read.value.is_none()) {
                self.seen.note(format!(
                    "node {node} begins to lead shard {shard} in term {term} without {id}"
                ));
            }
        }
    }

    /// Probes the first resource of a shard in its current slot, once in a term.
    async fn probe(&mut self, shards: &Shards, shard: ShardId, leadership: Leadership) {
        let known = self.seen.acknowledged();
        let Some(id) = known.iter().find(|id| shards.shard_of(id) == shard) else { return };
        let Ok(read) = shards.get(id, Consistency::Stale).await else { return };
        let Some(row) = read.value else { return };
        let now = leadership.shard_time(shards.clock().boot_millis());
        let Some(slot) = row.resource.state.ledger.epoch().current(now) else { return };
        let last = self.probed.insert((shard, leadership.term), slot);
        if last < Some(slot) {
            let report = report(&row.resource, leadership.term, slot, shards);
            tokio::spawn(tell(shards.clone(), shard, report, self.seen.clone()));
        }
    }
}

fn report(resource: &Resource, term: Term, slot: u64, shards: &Shards) -> Report {
    let outcome = Outcome::passed();
    let (metrics, observed_at) = (Metrics::default(), shards.now());
    Report {
        resource: resource.id().clone(),
        incarnation: resource.identity.incarnation,
        generation: resource.identity.generation.0,
        term: term.0,
        epoch: resource.state.ledger.epoch().number,
        slot,
        body: ReportBody::Result { outcome, metrics, observed_at },
    }
}

/// Reports after the probe, wherever the leader is then. A result counts in the term that has asked
/// for it, and once (SEMANTICS 6).
async fn tell(shards: Shards, shard: ShardId, report: Report, seen: Seen) {
    sleep(Duration::from_millis(chance(1..PROBE))).await;
    let proposed = shards.propose(shard, Command::Observe(vec![report.clone()]));
    let Ok(Ok(answer)) = timeout(PATIENCE, proposed).await else { return };
    let Reply::Observed(replies) = answer.reply else {
        return seen.note(format!("a report was answered by {:?}", answer.reply));
    };
    match &replies[..] {
        [ReportReply::Accepted] => {}
        [ReportReply::Stale(why)] if why.contains("not due") => {
            return seen
                .note(format!("{}: the leader's time is not the shard's: {why}", report.resource));
        }
        _ => return,
    }
    let Report { resource, incarnation, term, epoch, slot, .. } = report;
    if answer.term.0 != term {
        seen.note(format!("{resource}: term {} takes a result of term {term}", answer.term));
    }
    let taken = (resource.clone(), incarnation, epoch, slot);
    if !seen.0.lock().taken.insert(taken) {
        seen.note(format!("{resource}: slot {slot} has taken two results"));
    }
}
