//! Brings the replicas of all groups to where they should be: whoever leads `meta` asks every
//! node what there is, plans, and has each step done by the leader of its group.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    sync::atomic::Ordering,
    time::Duration,
};

use futures_util::future::join_all;
use model::NodeId;
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tracing::{info, warn};

use crate::{
    error::ProposeError,
    members::MembersError,
    node::Shards,
    nodes::{NodeRecord, NodeStanding},
    peer::NodeRequest,
    placement::{self, Action, Plan, Policy, Standing, Step, View},
    survey::{GroupReport, Survey},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Between two steps: long enough to see what the former one has led to.
const NEXT: Duration = Duration::from_millis(100);
/// A step may take this long: a new replica may have to fetch a snapshot.
const STEP: Duration = Duration::from_secs(110);
/// The second step of a change of voters takes a moment; who began it has gone after so long.
const ORPHANED: Duration = Duration::from_secs(5);
/// How long the end of a change may take.
const FINISH: Duration = Duration::from_secs(10);
/// A replica that lacks no more entries than this is level: it catches up within a moment.
const NEAR: u64 = 1_000;

/// What is being moved, told to people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moves(Arc<Mutex<Vec<String>>>);

/// What one who reconciles remembers between two looks.
#[derive(Default)]
struct Memory {
    /// Since when a node does not answer.
    silent: BTreeMap<NodeId, Instant>,
    /// Since when the voters of a group change.
    changing: BTreeMap<u64, Instant>,
    /// What was told last: the same is not told again.
    told: String,
}

impl Shards {
    /// Keeps the replicas where `policy` wants them, for as long as this node runs and leads
    /// `meta`.
    pub fn reconcile(&self, policy: Policy) -> JoinHandle<()> {
        let shards = self.clone();
        tokio::spawn(async move {
            let mut memory = Memory::default();
            while !shards.is_closing() {
                let moved = if shards.is_to_reconcile() {
                    shards.reconcile_once(&policy, &mut memory).await
                } else {
                    memory = Memory::default();
                    shards.inner.moves.set(Vec::new());
                    false
                };
                sleep(if moved { NEXT } else { LOOK }).await;
            }
        })
    }

    /// What is being moved and what cannot be, where this node leads `meta`.
    pub(crate) fn moves(&self) -> Vec<String> {
        self.inner.moves.0.lock().clone()
    }

    /// Whether this node leads `meta`, and is known there: one that has founded the cluster a
    /// moment ago is not yet. One that is leaving would give itself the leads back.
    fn is_to_reconcile(&self) -> bool {
        let meta = self.meta();
        let known = || meta.replica.state.read().nodes.contains_key(&self.node_id());
        let leaving = self.inner.leaving.load(Ordering::Relaxed);
        meta.role_now().is_leader() && known() && !leaving
    }

    /// Says whether anything was moved.
    async fn reconcile_once(&self, policy: &Policy, memory: &mut Memory) -> bool {
        let survey = self.survey().await;
        if !self.is_to_reconcile() {
            return false;
        }
        let view = view(&self.nodes(), &survey, self.shard_count(), memory);
        self.finish_changes(&survey, memory).await;
        let plan = placement::plan(&view, policy);
        memory.tell(&plan);
        self.inner.moves.set(lines(&plan));
        let steps = plan.steps.iter().map(|step| self.take(step, &survey));
        join_all(steps).await.contains(&true)
    }

    /// Ends changes of voters that have lost who began them.
    async fn finish_changes(&self, survey: &Survey, memory: &mut Memory) {
        for (group, leader) in memory.orphans(survey, self.shard_count()) {
            let request = NodeRequest::Finish { group };
            let done = if leader == self.node_id() {
                self.finish_change(group).await.map_err(|error| error.to_string())
            } else {
                self.ask_node(leader, &request, FINISH).await.map(|_| ())
            };
            match done {
                Ok(()) => info!(group, "a change of voters was ended"),
                Err(why) => warn!(group, why, "a change of voters is not ended yet"),
            }
        }
    }

    /// Has one step done by the leader of its group. Says whether it was.
    async fn take(&self, step: &Step, survey: &Survey) -> bool {
        let Some((leader, _)) = survey.leader_of(step.group) else { return false };
        let done = if leader == self.node_id() {
            self.change(step.group, &step.action).await.map_err(|error| error.to_string())
        } else {
            let request = NodeRequest::Change { group: step.group, action: step.action.clone() };
            self.ask_node(leader, &request, STEP).await.map(drop)
        };
        if let Err(why) = &done {
            warn!(group = step.group, node = %leader, why, "a replica was not moved; trying again");
        }
        done.is_ok()
    }

    /// Changes the replicas of a group that this node leads.
    ///
    /// # Errors
    /// See [`MembersError`].
    pub(crate) async fn change(&self, group: u64, action: &Action) -> Result<(), MembersError> {
        match action {
            Action::AddLearner { node } => self.add_learner(group, *node).await,
            Action::DropLearner { node } => self.drop_learner(group, *node).await,
            Action::SetVoters { voters } => self.set_voters(group, voters).await,
            Action::Transfer { to } => self.transfer(group, *to).await,
        }
    }

    /// How many groups a node leads that answers.
    pub async fn leads_of(&self, node: NodeId) -> usize {
        let survey = self.survey().await;
        let report = survey.reports.get(&node);
        report.map_or(0, |report| report.groups.values().filter(|group| group.leads).count())
    }

    /// Whether the cluster goes on without a node: names the groups that would lose their
    /// quorum, or whose only replica it has.
    ///
    /// # Errors
    /// `meta` does not answer.
    pub async fn would_lose(&self, node: NodeId) -> Result<Vec<u64>, ProposeError> {
        let survey = self.survey().await;
        let groups = 0..=u64::from(self.shard_count());
        let lost = groups.filter(|group| {
            let Some(found) = survey.latest_of(*group) else { return true };
            let rest: BTreeSet<NodeId> =
                found.voters.iter().copied().filter(|voter| *voter != node).collect();
            let alive = rest.iter().filter(|voter| survey.reports.contains_key(voter)).count();
            found.voters.contains(&node) && (rest.is_empty() || 2 * alive <= found.voters.len())
        });
        Ok(lost.collect())
    }
}

impl Moves {
    fn set(&self, lines: Vec<String>) {
        *self.0.lock() = lines;
    }
}

impl Memory {
    fn away(&mut self, node: NodeId, answers: bool) -> Option<Duration> {
        if answers {
            self.silent.remove(&node);
            return None;
        }
        Some(self.silent.entry(node).or_insert_with(Instant::now).elapsed())
    }

    /// The groups whose voters change for so long that nobody can be at it, and their leaders.
    fn orphans(&mut self, survey: &Survey, shards: u32) -> Vec<(u64, NodeId)> {
        let groups = (0..=u64::from(shards)).filter_map(|group| {
            let (leader, found) = survey.leader_of(group)?;
            found.changing.then_some((group, leader))
        });
        let changing: BTreeMap<u64, NodeId> = groups.collect();
        self.changing.retain(|group, _| changing.contains_key(group));
        let old = changing.into_iter().filter(|(group, _)| {
            let since = self.changing.entry(*group).or_insert_with(Instant::now);
            since.elapsed() > ORPHANED
        });
        old.collect()
    }

    fn tell(&mut self, plan: &Plan) {
        let text = plan.to_string();
        if text != self.told {
            for line in text.lines() {
                info!("placement: {line}");
            }
            self.told = text;
        }
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    if plan.is_empty() { Vec::new() } else { plan.to_string().lines().map(str::to_owned).collect() }
}

fn view(nodes: &[(NodeId, NodeRecord)], survey: &Survey, shards: u32, memory: &mut Memory) -> View {
    let nodes = nodes.iter().map(|(id, record)| {
        let away = memory.away(*id, survey.reports.contains_key(id));
        (*id, node_of(record, away))
    });
    let groups = (0..=u64::from(shards)).filter_map(|number| {
        let leader = survey.leader_of(number).map(|(leader, _)| leader);
        survey.latest_of(number).map(|found| (number, group_of(found, leader)))
    });
    View { nodes: nodes.collect(), groups: groups.collect() }
}

fn node_of(record: &NodeRecord, away: Option<Duration>) -> placement::Node {
    placement::Node {
        name: record.facts.name.clone(),
        region: record.facts.region.clone(),
        zone: record.facts.zone.clone(),
        standing: match record.standing {
            NodeStanding::Active => Standing::Active,
            NodeStanding::Draining => Standing::Draining,
            NodeStanding::Removed => Standing::Removed,
        },
        away,
    }
}

fn group_of(found: &GroupReport, leader: Option<NodeId>) -> placement::Group {
    let level = |node: &NodeId| {
        let has = found.matched.get(node).copied().unwrap_or(0);
        Some(*node) == leader || has + NEAR >= found.last
    };
    placement::Group {
        voters: found.voters.clone(),
        learners: found.learners.iter().map(|node| (*node, level(node))).collect(),
        leader,
        changing: found.changing,
        lagging: found.voters.iter().copied().filter(|node| !level(node)).collect(),
    }
}
