//! Which node is best to hold a replica: regions first, then zones, then nodes.

use std::collections::{BTreeMap, BTreeSet};

use model::NodeId;

use super::{Group, META, cluster::Cluster};

/// How many others of a set are in a node's region, and how many of them in its zone.
///
/// A set in which no exchange of one node lowers this has as few pairs in one region as can be,
/// then as few in one zone: the sum of the pairs is M-convex, where a local optimum is a global
/// one (Murota, Discrete Convex Analysis, 2003, chapter 6).
pub(super) fn crowding<'a>(
    cluster: &Cluster<'_>,
    id: NodeId,
    set: impl IntoIterator<Item = &'a NodeId>,
) -> (usize, usize) {
    let Some(node) = cluster.node(id) else { return (0, 0) };
    let others = set.into_iter().filter(|other| **other != id);
    let near = others.filter_map(|other| cluster.node(*other));
    near.filter(|other| other.region == node.region).fold((0, 0), |(region, zone), other| {
        (region + 1, zone + usize::from(other.zone == node.zone))
    })
}

/// The node that is best to add to a set: of equal ones a learner, which has begun, then the one
/// with the fewest replicas.
pub(super) fn best(
    cluster: &Cluster<'_>,
    group: &Group,
    load: &Load,
    set: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let takers = cluster.takers.iter().copied().filter(|id| !set.contains(id));
    takers.min_by_key(|id| {
        (crowding(cluster, *id, set), !group.learners.contains_key(id), load.of(*id), *id)
    })
}

/// The node that a set can best do without; of equal ones not the leader.
pub(super) fn worst(
    cluster: &Cluster<'_>,
    group: &Group,
    load: &Load,
    set: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let leads = |id| group.leader == Some(id);
    set.iter()
        .copied()
        .max_by_key(|id| (crowding(cluster, *id, set), !leads(*id), load.of(*id), *id))
}

/// Those of a group's replicas that count.
pub(super) fn counted<'a>(
    cluster: &Cluster<'_>,
    voters: &'a BTreeSet<NodeId>,
    learners: impl Iterator<Item = &'a NodeId>,
) -> impl Iterator<Item = &'a NodeId> {
    let few = !cluster.policy.everywhere;
    voters.iter().chain(learners.filter(move |_| few))
}

/// How many replicas a node has. Those that every node has do not count: of `meta`, and learners
/// where all nodes answer for all shards.
pub(super) struct Load(BTreeMap<NodeId, usize>);

impl Load {
    /// What the nodes hold now.
    pub(super) fn now(cluster: &Cluster<'_>) -> Self {
        let mut load = Self(BTreeMap::new());
        for (number, group) in &cluster.view.groups {
            load.add(*number, counted(cluster, &group.voters, group.learners.keys()));
        }
        load
    }

    pub(super) fn of(&self, id: NodeId) -> usize {
        self.0.get(&id).copied().unwrap_or(0)
    }

    pub(super) fn add<'a>(&mut self, group: u64, nodes: impl IntoIterator<Item = &'a NodeId>) {
        for id in nodes.into_iter().filter(|_| group != META) {
            *self.0.entry(*id).or_default() += 1;
        }
    }

    pub(super) fn take<'a>(&mut self, group: u64, nodes: impl IntoIterator<Item = &'a NodeId>) {
        for id in nodes.into_iter().filter(|_| group != META) {
            let held = self.0.entry(*id).or_default();
            *held = held.saturating_sub(1);
        }
    }
}
