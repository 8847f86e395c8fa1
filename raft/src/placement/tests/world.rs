//! A simulated cluster: it executes plans, late and not always, while nodes come and go.
//!
//! A round takes half a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::NodeId;

use super::chance::Chance;
use crate::placement::{Action, Group, Node, Standing, Step, View};

/// Half a minute.
pub(super) const ROUND: Duration = Duration::from_secs(30);

pub(super) struct World {
    pub(super) view: View,
    pub(super) chance: Chance,
    /// Replicas that are not level yet, and for how many more rounds.
    late: BTreeMap<(u64, NodeId), u64>,
    /// Changes under way: the voters before, and for how many more rounds it is not committed.
    joint: BTreeMap<u64, (BTreeSet<NodeId>, u64)>,
    /// In a hundred, how many steps come to nothing.
    pub(super) failing: u64,
}

impl World {
    pub(super) fn new(view: View, chance: Chance, failing: u64) -> Self {
        Self { view, chance, late: BTreeMap::new(), joint: BTreeMap::new(), failing }
    }

    pub(super) fn lives(&self, id: NodeId) -> bool {
        self.view.nodes.get(&id).is_some_and(|node| node.away.is_none())
    }

    pub(super) fn quorum(&self, voters: &BTreeSet<NodeId>) -> bool {
        2 * voters.iter().filter(|id| self.lives(**id)).count() > voters.len()
    }

    /// Whether what a group commits now has the quorums it needs.
    pub(super) fn commits(&self, number: u64) -> bool {
        let before = self.joint.get(&number).is_none_or(|(before, _)| self.quorum(before));
        self.quorum(&self.view.groups[&number].voters) && before
    }

    /// The groups that change their voters, or bring a learner up to date.
    pub(super) fn moving(&self) -> impl Iterator<Item = u64> {
        let late =
            |group: &Group| group.learners.iter().any(|(id, level)| !level && self.lives(*id));
        let moves = move |group: &Group| group.changing || late(group);
        let led = |group: &Group| group.leader.is_some() && self.quorum(&group.voters);
        let groups = self.view.groups.iter();
        groups.filter(move |(_, group)| led(group) && moves(group)).map(|(number, _)| *number)
    }

    pub(super) fn execute(&mut self, step: &Step) {
        if self.chance.percent(self.failing) {
            return;
        }
        let rounds = self.chance.below(3);
        match &step.action {
            Action::AddLearner { node } => self.add(step.group, *node, rounds + 1),
            Action::SetVoters { voters } => self.change(step.group, voters, rounds),
            Action::Transfer { to } => self.lead(step.group, (rounds > 0).then_some(*to)),
            Action::DropLearner { node } => {
                self.group(step.group).learners.remove(node);
                self.late.remove(&(step.group, *node));
            }
        }
    }

    fn group(&mut self, number: u64) -> &mut Group {
        self.view.groups.get_mut(&number).unwrap()
    }

    fn add(&mut self, number: u64, node: NodeId, rounds: u64) {
        self.group(number).learners.insert(node, false);
        self.late.insert((number, node), rounds);
    }

    fn change(&mut self, number: u64, voters: &BTreeSet<NodeId>, rounds: u64) {
        let group = self.group(number);
        let before = std::mem::replace(&mut group.voters, voters.clone());
        group.learners.retain(|id, _| !voters.contains(id));
        group.lagging.retain(|id| voters.contains(id));
        group.changing = true;
        self.joint.insert(number, (before, rounds));
        self.commit(number);
    }

    /// None for a transfer that fails: the group stands still until it elects.
    fn lead(&mut self, number: u64, leader: Option<NodeId>) {
        self.group(number).leader = leader;
    }

    /// Ends a change whose rounds are over, if there is a leader and both quorums live.
    fn commit(&mut self, number: u64) {
        let over = self.joint.get(&number).is_some_and(|(_, rounds)| *rounds == 0);
        if over && self.commits(number) && self.view.groups[&number].leader.is_some() {
            self.joint.remove(&number);
            self.group(number).changing = false;
        }
    }

    /// Half a minute goes by.
    pub(super) fn pass(&mut self) {
        for node in self.view.nodes.values_mut() {
            node.away = node.away.map(|away| away + ROUND);
        }
        let numbers: Vec<_> = self.view.groups.keys().copied().collect();
        for number in numbers {
            self.elect(number);
            if let Some((_, rounds)) = self.joint.get_mut(&number) {
                *rounds = rounds.saturating_sub(1);
            }
            self.commit(number);
            self.catch_up(number);
        }
    }

    /// Any level live voter may win.
    fn elect(&mut self, number: u64) {
        let group = &self.view.groups[&number];
        let commits = self.commits(number);
        if commits && group.leader.is_some_and(|id| self.lives(id)) {
            return;
        }
        let able = |id: &NodeId| commits && self.lives(*id) && !group.lagging.contains(id);
        let able: Vec<_> = group.voters.iter().copied().filter(able).collect();
        let leader = self.chance.one(&able);
        self.lead(number, leader);
    }

    fn catch_up(&mut self, number: u64) {
        let led = self.view.groups[&number].leader.is_some();
        let late = self.late.iter().filter(|((group, id), _)| *group == number && self.lives(*id));
        let late: Vec<_> = late.map(|((_, id), rounds)| (*id, rounds.saturating_sub(1))).collect();
        for (id, rounds) in late.into_iter().filter(|_| led) {
            self.late.insert((number, id), rounds);
            if rounds == 0 {
                self.late.remove(&(number, id));
                self.level(number, id);
            }
        }
    }

    fn level(&mut self, number: u64, id: NodeId) {
        let group = self.group(number);
        group.lagging.remove(&id);
        group.learners.entry(id).and_modify(|level| *level = true);
    }

    pub(super) fn kill(&mut self, id: NodeId) {
        self.view.nodes.get_mut(&id).unwrap().away = Some(Duration::ZERO);
        for group in self.view.groups.values_mut().filter(|group| group.leader == Some(id)) {
            group.leader = None;
        }
    }

    /// What it holds is behind for a while. Where it alone makes the quorum nothing was missed.
    pub(super) fn revive(&mut self, id: NodeId) {
        let numbers: Vec<_> = self.view.groups.keys().copied().collect();
        let missed: Vec<_> = numbers.into_iter().filter(|group| self.commits(*group)).collect();
        self.view.nodes.get_mut(&id).unwrap().away = None;
        for number in missed {
            let rounds = self.chance.below(3) + 1;
            let group = self.view.groups.get_mut(&number).unwrap();
            if group.voters.contains(&id) {
                group.lagging.insert(id);
            } else if let Some(level) = group.learners.get_mut(&id) {
                *level = false;
            } else {
                continue;
            }
            self.late.insert((number, id), rounds);
        }
    }

    pub(super) fn join(&mut self, region: String, zone: String) {
        let id = self.view.nodes.keys().last().map_or(0, |id| id.0) + 1;
        let (name, standing) = (format!("n{id}"), Standing::Active);
        let node = Node { name, region, zone, standing, away: None };
        self.view.nodes.insert(NodeId(id), node);
    }
}
