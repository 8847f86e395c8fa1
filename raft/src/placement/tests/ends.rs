//! What has to be so once nothing moves any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::NodeId;

use super::world::World;
use crate::placement::{Action, Group, META, Plan, Policy, Standing, Step, View, plan};

/// A settled cluster.
struct End<'a> {
    world: &'a World,
    policy: &'a Policy,
    plan: Plan,
    /// The active nodes that live.
    nodes: BTreeSet<NodeId>,
}

pub(super) fn check(world: &World, policy: &Policy) {
    let plan = plan(&world.view, policy);
    assert!(plan.steps.is_empty() && plan.waiting == 0, "{plan}");
    let active = world.view.nodes.iter().filter(|(_, node)| node.standing == Standing::Active);
    let nodes = active.map(|(id, _)| *id).filter(|id| world.lives(*id)).collect();
    let end = End { world, policy, plan, nodes };
    let mut best = BTreeMap::new();
    for (number, group) in &world.view.groups {
        if end.world.commits(*number) {
            end.placed(*number, group);
            end.spread(*number, group, &mut best);
            end.led(*number, group);
        } else {
            assert!(end.blocked(*number), "group {number} has no quorum:\n{}", end.plan);
        }
    }
    end.balanced();
    end.leaders_even();
    end.short_absence_moves_nothing();
}

impl End<'_> {
    fn blocked(&self, number: u64) -> bool {
        self.plan.blocked.iter().any(|blocked| blocked.group == number)
    }

    fn asked(&self, number: u64) -> usize {
        let Policy { replicas, meta_replicas, .. } = self.policy;
        if number == META { *meta_replicas } else { *replicas }
    }

    fn placed(&self, number: u64, group: &Group) {
        let odd = |count: usize| (1..=count.max(1)).rfind(|count| count % 2 == 1).unwrap();
        let wanted = odd(self.asked(number).min(self.nodes.len()));
        let leaving = group.voters.difference(&self.nodes).count();
        let spare = self.nodes.difference(&group.voters).count();
        assert!(leaving == 0 || spare == 0, "group {number}: {group:?}\n{}", self.plan);
        assert!(leaving == 0 || self.blocked(number), "group {number}:\n{}", self.plan);
        if leaving == 0 && self.nodes.len() >= 3 {
            assert_eq!(group.voters.len(), wanted, "group {number}: {group:?}\n{}", self.plan);
        }
        self.copied(number, group);
    }

    fn copied(&self, number: u64, group: &Group) {
        let learners: BTreeSet<_> = group.learners.keys().copied().collect();
        let gone = |id: &NodeId| self.world.view.nodes[id].standing == Standing::Removed;
        assert!(!learners.iter().any(gone), "group {number}: {group:?}");
        let all: BTreeSet<_> = group.voters.union(&learners).copied().collect();
        if number == META || self.policy.everywhere {
            assert!(all.is_superset(&self.nodes), "group {number}: {group:?}");
        } else if group.voters.len() > 1 {
            assert!(learners.is_empty(), "group {number}: {group:?}");
        } else if self.nodes.len() == 2 && self.asked(number) >= 3 {
            assert_eq!(all.len(), 2, "group {number}: {group:?}");
        }
    }

    /// No other set of as many nodes has fewer in one region, or then in one zone.
    fn spread(
        &self,
        number: u64,
        group: &Group,
        best: &mut BTreeMap<usize, ((usize, usize), usize)>,
    ) {
        let size = group.voters.len();
        if size < 3 || !group.voters.is_subset(&self.nodes) {
            return;
        }
        let nodes: Vec<_> = self.nodes.iter().copied().collect();
        let (least, regions) = *best.entry(size).or_insert_with(|| {
            let sets = subsets(&nodes, size);
            let least = sets.iter().map(|set| self.crowd(set)).min();
            (least.unwrap(), self.regions(&nodes).len().min(size))
        });
        let voters: Vec<_> = group.voters.iter().copied().collect();
        assert_eq!(self.crowd(&voters), least, "group {number}: {group:?}");
        assert_eq!(self.regions(&voters).len(), regions, "group {number}: {group:?}");
    }

    fn view(&self) -> &View {
        &self.world.view
    }

    fn regions(&self, set: &[NodeId]) -> BTreeMap<&str, usize> {
        count(set.iter().map(|id| self.view().nodes[id].region.as_str()))
    }

    /// The sums of the squares of the numbers by region and by zone.
    fn crowd(&self, set: &[NodeId]) -> (usize, usize) {
        let nodes = set.iter().map(|id| &self.view().nodes[id]);
        let zones = count(nodes.map(|node| (&node.region, &node.zone)));
        let squares = |counts: Vec<usize>| counts.iter().map(|n| n * n).sum();
        (squares(self.regions(set).into_values().collect()), squares(zones.into_values().collect()))
    }

    fn led(&self, number: u64, group: &Group) {
        let leader = group.leader.unwrap_or_else(|| panic!("group {number} has no leader"));
        let able: Vec<_> = group.voters.intersection(&self.nodes).collect();
        assert!(able.is_empty() || able.contains(&&leader), "group {number}: {group:?}");
        let Some(region) = &self.policy.preferred_region else { return };
        let there = |id: &NodeId| self.view().nodes[id].region == *region;
        let preferred = able.iter().any(|id| there(id));
        assert!(!preferred || there(&leader), "group {number}: {group:?}");
    }

    /// Nodes of one zone can stand in for each other: where all groups can move, they hold the
    /// same but for one. With one zone that is all nodes.
    fn balanced(&self) {
        let shards = || self.view().groups.iter().filter(|(number, _)| **number != META);
        let free = |group: &Group| group.voters.len() >= 3 && group.voters.is_subset(&self.nodes);
        if !shards().all(|(_, group)| free(group)) {
            return;
        }
        let held = count(shards().flat_map(|(_, group)| group.voters.iter().copied()));
        let held = |id: &NodeId| held.get(id).copied().unwrap_or(0);
        let place = |id: &NodeId| (&self.view().nodes[id].region, &self.view().nodes[id].zone);
        for id in &self.nodes {
            let twins = self.nodes.iter().filter(|other| place(other) == place(id));
            let least = twins.map(held).min().unwrap();
            assert!(held(id) <= least + 1, "{id} holds {}, another {least}", held(id));
        }
    }

    /// Nobody leads more by two than a node that could be reached by transfers, however many.
    fn leaders_even(&self) {
        let groups = self.view().groups.values();
        let leads = count(groups.clone().filter_map(|group| group.leader));
        let leads = |id: &NodeId| leads.get(id).copied().unwrap_or(0);
        for top in &self.nodes {
            let mut reach = BTreeSet::from([*top]);
            for _ in 0..self.nodes.len() {
                let led = groups
                    .clone()
                    .filter(|group| group.leader.is_some_and(|id| reach.contains(&id)));
                let more: Vec<_> = led.flat_map(|group| self.fit(group)).collect();
                reach.extend(more);
            }
            let least = reach.iter().map(leads).min().unwrap();
            assert!(leads(top) <= least + 1, "{top} leads {}, another {least}", leads(top));
        }
    }

    /// Who may lead a group.
    fn fit(&self, group: &Group) -> Vec<NodeId> {
        if 2 * group.voters.iter().filter(|id| self.world.lives(**id)).count() <= group.voters.len()
        {
            return Vec::new();
        }
        let mut able: Vec<_> = group.voters.intersection(&self.nodes).copied().collect();
        let region = self.policy.preferred_region.as_deref();
        let there = |id: &NodeId| Some(self.view().nodes[id].region.as_str()) == region;
        if able.iter().any(there) {
            able.retain(there);
        }
        able
    }

    fn short_absence_moves_nothing(&self) {
        for id in &self.nodes {
            let mut view = self.view().clone();
            view.nodes.get_mut(id).unwrap().away = Some(Duration::from_secs(599));
            let plan = plan(&view, self.policy);
            let transfer = |step: &Step| matches!(step.action, Action::Transfer { .. });
            assert!(plan.steps.iter().all(transfer), "without {id}:\n{plan}");
        }
    }
}

fn count<T: Ord>(of: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    of.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_default() += 1;
        counts
    })
}

fn subsets(of: &[NodeId], size: usize) -> Vec<Vec<NodeId>> {
    let Some((first, rest)) = of.split_first() else {
        return if size == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let mut sets = subsets(rest, size);
    if let Some(smaller) = size.checked_sub(1) {
        let with = |mut set: Vec<NodeId>| {
            set.push(*first);
            set
        };
        sets.extend(subsets(rest, smaller).into_iter().map(with));
    }
    sets
}
