//! Views written down in few words.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::NodeId;

use crate::placement::{Group, Node, Policy, Standing, View, plan};

/// A view of nodes 1, 2, … at these places ("region" or "region/zone").
pub(super) fn nodes(places: &[&str]) -> View {
    let nodes = (1..).zip(places).map(|(id, place)| (NodeId(id), node(id, place)));
    View { nodes: nodes.collect(), groups: BTreeMap::new() }
}

fn node(id: u64, place: &str) -> Node {
    let (region, zone) = place.split_once('/').unwrap_or((place, ""));
    let (region, zone) = (region.to_owned(), zone.to_owned());
    Node { name: format!("n{id}"), region, zone, standing: Standing::Active, away: None }
}

pub(super) fn ids(of: &[u64]) -> BTreeSet<NodeId> {
    of.iter().copied().map(NodeId).collect()
}

impl View {
    /// The next group, with level learners. Its first voter leads.
    pub(super) fn group(mut self, voters: &[u64], learners: &[u64]) -> Self {
        let learners = ids(learners).into_iter().map(|id| (id, true)).collect();
        let leader = voters.first().copied().map(NodeId);
        let group = Group { voters: ids(voters), learners, leader, ..Group::default() };
        self.groups.insert(u64::try_from(self.groups.len()).unwrap(), group);
        self
    }

    pub(super) fn standing(mut self, id: u64, standing: Standing) -> Self {
        self.nodes.get_mut(&NodeId(id)).unwrap().standing = standing;
        self
    }

    /// The groups that it led have no leader then.
    pub(super) fn away(mut self, id: u64, minutes: u64) -> Self {
        self.nodes.get_mut(&NodeId(id)).unwrap().away = Some(Duration::from_secs(60 * minutes));
        self
    }

    pub(super) fn led(mut self, group: u64, leader: u64) -> Self {
        self.groups.get_mut(&group).unwrap().leader = Some(NodeId(leader));
        self
    }

    pub(super) fn late(mut self, group: u64, learner: u64) -> Self {
        self.groups.get_mut(&group).unwrap().learners.insert(NodeId(learner), false);
        self
    }

    /// Its plan as text, under the usual policy.
    pub(super) fn plan(&self) -> String {
        plan(self, &Policy::default()).to_string()
    }
}
