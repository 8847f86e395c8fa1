//! The next step of a group towards its aim.

use std::collections::BTreeSet;

use model::NodeId;

use super::{Action, Group, META, aim::Aim, cluster::Cluster};

/// What a group needs next.
pub(super) enum Next {
    Nothing,
    Blocked(String),
    /// Another has to lead first.
    HandOver {
        heirs: Vec<NodeId>,
        why: String,
    },
    Do(Action, String),
}

/// A group on its way to its aim.
pub(super) struct Course<'a> {
    pub(super) cluster: &'a Cluster<'a>,
    pub(super) number: u64,
    pub(super) group: &'a Group,
    pub(super) aim: &'a Aim,
}

impl Course<'_> {
    pub(super) fn next(&self) -> Next {
        let Self { cluster, group, .. } = self;
        if !cluster.has_quorum(group) {
            return Next::Blocked(self.no_quorum());
        }
        if group.changing {
            return Next::Blocked("a change of its voters is under way".to_owned());
        }
        let Some(leader) = cluster.leader(group) else {
            return self.leaderless();
        };
        let heirs = self.heirs(&self.aim.voters);
        match cluster.leaving(leader) {
            Some(why) if !heirs.is_empty() => Next::HandOver { heirs, why },
            _ if self.arrived() => self.learners(),
            _ => match self.towards(leader) {
                Next::Blocked(why) => self.tidy().unwrap_or(Next::Blocked(why)),
                next => next,
            },
        }
    }

    /// Whether voters change or a replica catches up: what is bounded over the cluster. Without a
    /// leader neither comes to an end, and others would wait for ever.
    pub(super) fn in_motion(&self) -> bool {
        let Self { cluster, group, .. } = self;
        let mut late = group.learners.iter().filter(|(_, level)| !**level).map(|(id, _)| *id);
        cluster.leader(group).is_some() && (group.changing || late.any(|id| cluster.lives(id)))
    }

    /// Whether a learner is there that is to vote.
    pub(super) fn begun(&self) -> bool {
        self.group.learners.keys().any(|id| self.aim.voters.contains(id))
    }

    pub(super) fn arrived(&self) -> bool {
        self.aim.voters == self.group.voters
    }

    /// Whether all voters are alive, level and to stay.
    pub(super) fn well(&self) -> bool {
        self.cluster.heirs(self.group).count() == self.group.voters.len()
    }

    fn no_quorum(&self) -> String {
        let (live, all) = (self.cluster.living(&self.group.voters), self.group.voters.len());
        format!("no quorum: {live} of {all} voters alive")
    }

    fn leaderless(&self) -> Next {
        if self.arrived() && self.aim.stays.is_none() {
            return Next::Nothing;
        }
        Next::Blocked("no leader is known".to_owned())
    }

    /// Who can lead now and is to stay.
    fn heirs(&self, set: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let heirs = self.cluster.heirs(self.group);
        heirs.filter(|id| set.contains(id) && self.aim.voters.contains(id)).collect()
    }

    fn towards(&self, leader: NodeId) -> Next {
        let Self { group, aim, .. } = self;
        let missing: Vec<_> = aim.voters.difference(&group.voters).copied().collect();
        if let Some(node) = missing.iter().find(|id| !group.learners.contains_key(id)) {
            return self.act(Action::AddLearner { node: *node });
        }
        let level = |id: &&NodeId| group.learners[*id] && self.cluster.lives(**id);
        let ready: Vec<_> = missing.iter().filter(level).copied().collect();
        let more = aim.voters.len().saturating_sub(group.voters.len());
        if ready.len() < more.max(usize::from(!missing.is_empty())) {
            return self.not_level(&missing, &ready);
        }
        let voters = if more > 0 { self.grown(&ready, more) } else { self.moved(leader, &ready) };
        self.set_voters(leader, voters)
    }

    /// All that are new at once, so that no even number is passed through.
    fn grown(&self, ready: &[NodeId], more: usize) -> BTreeSet<NodeId> {
        self.group.voters.iter().chain(&ready[..more]).copied().collect()
    }

    /// One for another while there are others to come, then those that leave at once. An only
    /// voter leads and cannot leave: it stays beside the new one until that one leads.
    fn moved(&self, leader: NodeId, ready: &[NodeId]) -> BTreeSet<NodeId> {
        let Some(new) = ready.first() else { return self.aim.voters.clone() };
        let mut voters = self.group.voters.clone();
        let leave = self.group.voters.difference(&self.aim.voters).copied();
        let out = leave.min_by_key(|id| (*id == leader, self.cluster.lives(*id), *id));
        if let Some(out) = out.filter(|_| voters.len() > 1) {
            voters.remove(&out);
        }
        voters.insert(*new);
        voters
    }

    fn set_voters(&self, leader: NodeId, voters: BTreeSet<NodeId>) -> Next {
        if !voters.contains(&leader) {
            return self.hand_over(leader, &voters);
        }
        let able = |id: &&NodeId| self.cluster.lives(**id) && !self.group.lagging.contains(id);
        let able = voters.iter().filter(able).count();
        if 2 * able <= voters.len() {
            let all = voters.len();
            let why = &self.aim.why;
            let lack = format!("{why}: only {able} of the next {all} voters alive and level");
            return Next::Blocked(lack);
        }
        self.act(Action::SetVoters { voters })
    }

    /// To one that is to stay or, for want of such, to one that outlasts this step.
    fn hand_over(&self, leader: NodeId, voters: &BTreeSet<NodeId>) -> Next {
        let Self { cluster, group, aim, .. } = self;
        let mut heirs = self.heirs(voters);
        if heirs.is_empty() {
            let able = |id: &NodeId| cluster.lives(*id) && !group.lagging.contains(id);
            heirs.extend(group.voters.intersection(voters).copied().filter(able));
        }
        if heirs.is_empty() {
            let label = cluster.label(leader);
            return Next::Blocked(format!("{label} leads, and no other voter can take over"));
        }
        Next::HandOver { heirs, why: aim.why.clone() }
    }

    fn not_level(&self, missing: &[NodeId], ready: &[NodeId]) -> Next {
        let late = missing.iter().find(|id| !ready.contains(id));
        let label = late.map(|id| self.cluster.label(*id)).unwrap_or_default();
        Next::Blocked(format!("{label} is not level yet: {}", self.aim.why))
    }

    /// The voters are right: what about the others?
    fn learners(&self) -> Next {
        let Self { group, aim, .. } = self;
        let lacks = |id: &&NodeId| !group.learners.contains_key(id) && self.cluster.lives(**id);
        if let Some(node) = aim.copies.iter().find(lacks) {
            let beside = "a copy beside its only voter";
            let why = match self.number {
                META => "every node holds a replica of meta",
                _ if self.cluster.policy.everywhere => "every node answers for every shard",
                _ => beside,
            };
            return Next::Do(Action::AddLearner { node: *node }, why.to_owned());
        }
        self.tidy().unwrap_or_else(|| aim.stays.clone().map_or(Next::Nothing, Next::Blocked))
    }

    fn tidy(&self) -> Option<Next> {
        let node = self.surplus()?;
        let why = self.cluster.leaving(node).unwrap_or_else(|| "it is not needed".to_owned());
        Some(Next::Do(Action::DropLearner { node }, why))
    }

    /// A learner that nothing is made of. While a voter is behind or away, or the learner itself
    /// or a copy that is wanted, it may be needed yet.
    fn surplus(&self) -> Option<NodeId> {
        let Self { cluster, group, aim, .. } = self;
        let late = |id: &NodeId| group.learners.get(id) == Some(&false) && cluster.lives(*id);
        let idle = |id: &NodeId| !cluster.may_hold(*id) || (cluster.lives(*id) && self.well());
        let wanted = |id: &NodeId| aim.copies.contains(id) || aim.voters.contains(id);
        let mut spare = group.learners.keys().copied().filter(|id| !wanted(id));
        spare.find(idle).filter(|_| !aim.copies.iter().any(late))
    }

    fn act(&self, action: Action) -> Next {
        Next::Do(action, self.aim.why.clone())
    }
}
