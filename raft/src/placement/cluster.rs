//! What a view says of nodes and of sets of them.

use std::{collections::BTreeSet, time::Duration};

use model::NodeId;

use super::{Group, Node, Policy, Standing, View};

/// A view under a policy.
pub(super) struct Cluster<'a> {
    pub(super) view: &'a View,
    pub(super) policy: &'a Policy,
    /// The nodes that can take new replicas.
    pub(super) takers: Vec<NodeId>,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(view: &'a View, policy: &'a Policy) -> Self {
        let mut cluster = Self { view, policy, takers: Vec::new() };
        cluster.takers = view.nodes.keys().copied().filter(|id| cluster.can_take(*id)).collect();
        cluster
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&'a Node> {
        self.view.nodes.get(&id)
    }

    /// Whether it was heard of now.
    pub(super) fn lives(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.away.is_none())
    }

    pub(super) fn removed(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.standing == Standing::Removed)
    }

    /// Whether a replica that a node has may stay there.
    pub(super) fn may_hold(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| {
            let lost = node.away.is_some_and(|away| away >= self.policy.replace_after);
            node.standing == Standing::Active && !lost
        })
    }

    /// Whether a node can take a new replica, or a lead, now.
    pub(super) fn can_take(&self, id: NodeId) -> bool {
        self.may_hold(id) && self.lives(id)
    }

    pub(super) fn living(&self, set: &BTreeSet<NodeId>) -> usize {
        set.iter().filter(|id| self.lives(**id)).count()
    }

    pub(super) fn has_quorum(&self, group: &Group) -> bool {
        2 * self.living(&group.voters) > group.voters.len()
    }

    /// Who leads, where that can be relied on.
    pub(super) fn leader(&self, group: &Group) -> Option<NodeId> {
        let acts = |id: &NodeId| group.voters.contains(id) && self.lives(*id);
        group.leader.filter(acts).filter(|_| self.has_quorum(group))
    }

    /// The voters that could take the lead, and may keep it.
    pub(super) fn heirs(&self, group: &Group) -> impl Iterator<Item = NodeId> {
        let voters = group.voters.iter().copied();
        voters.filter(|id| self.can_take(*id) && !group.lagging.contains(id))
    }

    /// A name for a list.
    pub(super) fn name(&self, id: NodeId) -> String {
        match self.node(id) {
            Some(node) if !node.name.is_empty() => node.name.clone(),
            _ => format!("node {id}"),
        }
    }

    /// A name for a sentence.
    pub(super) fn label(&self, id: NodeId) -> String {
        match self.node(id) {
            Some(node) if !node.name.is_empty() => format!("node {id} ({})", node.name),
            _ => format!("node {id}"),
        }
    }

    /// Why a node is to hold no voters.
    pub(super) fn leaving(&self, id: NodeId) -> Option<String> {
        let label = self.label(id);
        match self.node(id) {
            None => Some(format!("{label} is not known")),
            Some(_) if self.may_hold(id) => None,
            Some(Node { standing: Standing::Removed, .. }) => Some(format!("{label} was removed")),
            Some(Node { standing: Standing::Draining, .. }) => Some(format!("{label} is draining")),
            Some(Node { away, .. }) => {
                Some(format!("{label} is away for {}", about(away.unwrap_or_default())))
            }
        }
    }
}

/// A duration in the largest unit that it has two of, minutes from the first.
fn about(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match time.as_secs() {
        secs if secs < MINUTE => format!("{secs} s"),
        secs if secs < 2 * HOUR => format!("{} min", secs / MINUTE),
        secs if secs < 2 * DAY => format!("{} h", secs / HOUR),
        secs => format!("{} days", secs / DAY),
    }
}
