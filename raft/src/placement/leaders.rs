//! Who is to lead: as many groups each, in the preferred region where voters are there.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use model::NodeId;

use super::{Group, cluster::Cluster};

/// A group that may be led by another of its voters.
pub(super) struct Seat {
    pub(super) group: u64,
    leader: NodeId,
    /// Who may lead it.
    fit: Vec<NodeId>,
}

/// A transfer that makes leads more even, or brings one to its region.
pub(super) struct Transfer {
    pub(super) group: u64,
    pub(super) to: NodeId,
    pub(super) why: String,
}

/// How many groups each node leads.
pub(super) struct Leads<'a> {
    cluster: &'a Cluster<'a>,
    of: BTreeMap<NodeId, usize>,
}

impl<'a> Leads<'a> {
    pub(super) fn now(cluster: &'a Cluster<'a>) -> Self {
        let mut of: BTreeMap<_, _> = cluster.takers.iter().map(|id| (*id, 0)).collect();
        for leader in cluster.view.groups.values().filter_map(|group| cluster.leader(group)) {
            *of.entry(leader).or_default() += 1;
        }
        Self { cluster, of }
    }

    /// Reckons with a transfer.
    pub(super) fn count(&mut self, group: &Group, to: NodeId) {
        if let Some(from) = group.leader.and_then(|leader| self.of.get_mut(&leader)) {
            *from = from.saturating_sub(1);
        }
        *self.of.entry(to).or_default() += 1;
    }

    /// The best of those who could take over.
    pub(super) fn heir(&self, heirs: &[NodeId]) -> Option<NodeId> {
        heirs.iter().copied().min_by_key(|id| (!self.preferred(*id), self.leads(*id), *id))
    }

    /// A group with a known leader, and who else it could be.
    pub(super) fn seat(&self, number: u64, group: &Group) -> Option<Seat> {
        let leader = self.cluster.leader(group)?;
        let mut fit: Vec<_> = self.cluster.heirs(group).collect();
        if fit.iter().any(|id| self.preferred(*id)) {
            fit.retain(|id| self.preferred(*id));
        }
        Some(Seat { group: number, leader, fit })
    }

    /// The next transfer that is worth it.
    pub(super) fn transfer(&self, seats: &[Seat]) -> Option<Transfer> {
        self.pinned(seats).or_else(|| self.evened(seats))
    }

    fn pinned(&self, seats: &[Seat]) -> Option<Transfer> {
        let region = self.cluster.policy.preferred_region.as_deref()?;
        let away = |seat: &&Seat| !self.preferred(seat.leader);
        let found = seats.iter().filter(away).find_map(|seat| {
            let to = self.heir(&seat.fit).filter(|to| self.preferred(*to))?;
            Some((seat.group, to))
        });
        let why = format!("leaders: the preferred region is {region}");
        found.map(|(group, to)| Transfer { group, to, why })
    }

    fn evened(&self, seats: &[Seat]) -> Option<Transfer> {
        let least = self.of.values().min().copied()?;
        let mut tops: Vec<_> = self.of.iter().filter(|(_, leads)| **leads > least + 1).collect();
        tops.sort_by_key(|(id, leads)| (Reverse(**leads), **id));
        tops.into_iter().find_map(|(id, _)| self.chain(*id, seats))
    }

    /// The last transfer of the shortest chain of them from a node that leads many to one that
    /// leads fewer by more than one: with few common groups no single transfer may do.
    fn chain(&self, top: NodeId, seats: &[Seat]) -> Option<Transfer> {
        let mut seen = BTreeSet::from([top]);
        let mut queue = VecDeque::from([top]);
        while let Some(at) = queue.pop_front() {
            let mut next = self.neighbours(at, seats);
            next.retain(|(_, to)| seen.insert(*to));
            let end = next.iter().min_by_key(|(_, to)| (self.leads(*to), *to));
            if let Some((group, to)) = end.filter(|(_, to)| self.leads(*to) + 1 < self.leads(top)) {
                return Some(Transfer { group: *group, to: *to, why: self.why(top, *to) });
            }
            queue.extend(next.into_iter().map(|(_, to)| to));
        }
        None
    }

    fn neighbours(&self, at: NodeId, seats: &[Seat]) -> Vec<(u64, NodeId)> {
        let own = seats.iter().filter(|seat| seat.leader == at && seat.fit.contains(&at));
        own.flat_map(|seat| seat.fit.iter().map(|to| (seat.group, *to))).collect()
    }

    fn why(&self, top: NodeId, end: NodeId) -> String {
        let says = |id| format!("{} leads {}", self.cluster.name(id), self.leads(id));
        format!("leaders: {}, {}", says(top), says(end))
    }

    fn leads(&self, id: NodeId) -> usize {
        self.of.get(&id).copied().unwrap_or(0)
    }

    fn preferred(&self, id: NodeId) -> bool {
        let region = self.cluster.policy.preferred_region.as_deref();
        region.is_some() && self.cluster.node(id).map(|node| node.region.as_str()) == region
    }
}
