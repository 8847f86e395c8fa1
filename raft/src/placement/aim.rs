//! Which replicas a group is to have, as far as nodes that come and go decide it.

use std::collections::{BTreeMap, BTreeSet};

use model::NodeId;

use super::{
    Group, META, Standing,
    cluster::Cluster,
    size,
    spread::{Load, best, counted, worst},
};

/// What a group is to become.
pub(super) struct Aim {
    pub(super) voters: BTreeSet<NodeId>,
    /// The learners that are no voters in the making.
    pub(super) copies: BTreeSet<NodeId>,
    /// Why the voters are not what they are.
    pub(super) why: String,
    /// Whether a voter has to be made up for.
    pub(super) urgent: bool,
    /// Whether voters move for more even numbers alone.
    pub(super) evens: bool,
    /// Why a voter stays that is to leave.
    pub(super) stays: Option<String>,
}

/// The aims of all groups, and what the nodes then hold. Groups that have begun go first, so that
/// they find again what they have chosen.
pub(super) fn aims(cluster: &Cluster<'_>) -> (BTreeMap<u64, Aim>, Load) {
    let mut load = Load::now(cluster);
    let mut order: Vec<_> = cluster.view.groups.iter().collect();
    order.sort_by_key(|(number, group)| (group.learners.is_empty(), **number));
    let mut aims = BTreeMap::new();
    for (number, group) in order {
        load.take(*number, counted(cluster, &group.voters, group.learners.keys()));
        let aim = aim(cluster, *number, group, &load);
        load.add(*number, counted(cluster, &aim.voters, aim.copies.iter()));
        aims.insert(*number, aim);
    }
    (aims, load)
}

fn aim(cluster: &Cluster<'_>, number: u64, group: &Group, load: &Load) -> Aim {
    if group.changing || !cluster.has_quorum(group) {
        return as_it_is(group);
    }
    let voters = voters(cluster, number, group, load);
    let copies = copies(cluster, number, group, load, &voters);
    let mut left: Vec<_> = group.voters.difference(&voters).collect();
    left.sort_by_key(|id| (cluster.lives(**id), **id));
    let left = left.into_iter().find_map(|id| cluster.leaving(*id));
    let urgent = left.is_some();
    let why = left.unwrap_or_else(|| resized(group, &voters));
    let stays = stays(cluster, group, &voters);
    Aim { voters, copies, why, urgent, evens: false, stays }
}

/// Nothing can be done to it, and what would be wanted is not to push others about.
fn as_it_is(group: &Group) -> Aim {
    let (voters, copies) = (group.voters.clone(), group.learners.keys().copied().collect());
    Aim { voters, copies, why: String::new(), urgent: false, evens: false, stays: None }
}

fn voters(cluster: &Cluster<'_>, number: u64, group: &Group, load: &Load) -> BTreeSet<NodeId> {
    let size = size::voters(cluster, number, group);
    let mut set: BTreeSet<_> =
        group.voters.iter().copied().filter(|id| cluster.may_hold(*id)).collect();
    while set.len() > size
        && let Some(id) = worst(cluster, group, load, &set)
    {
        set.remove(&id);
    }
    while set.len() < size
        && let Some(id) = best(cluster, group, load, &set)
    {
        set.insert(id);
    }
    fill(cluster, group, size, &mut set);
    set
}

/// Keeps voters that are to leave where no others can be had, except removed ones, and these too
/// where nobody else is left.
fn fill(cluster: &Cluster<'_>, group: &Group, size: usize, set: &mut BTreeSet<NodeId>) {
    let mut rest: Vec<_> = group.voters.iter().copied().filter(|id| !set.contains(id)).collect();
    rest.retain(|id| !cluster.removed(*id));
    rest.sort_by_key(|id| (!cluster.lives(*id), *id));
    rest.truncate(size.saturating_sub(set.len()));
    set.extend(rest);
    if set.is_empty() {
        set.clone_from(&group.voters);
    }
}

/// Of `meta` every node has a copy, and where the policy says so of all groups. Beside an only voter there is one, so that its node's loss
/// need not be the data's.
fn copies(
    cluster: &Cluster<'_>,
    number: u64,
    group: &Group,
    load: &Load,
    voters: &BTreeSet<NodeId>,
) -> BTreeSet<NodeId> {
    if number == META || cluster.policy.everywhere {
        return everywhere(cluster, group, voters);
    }
    if voters.len() > 1 || size::odd(size::asked(cluster, number)) == 1 {
        return BTreeSet::new();
    }
    let has = group.learners.keys().filter(|id| cluster.may_hold(**id) && !voters.contains(id));
    let kept = has.copied().min_by_key(|id| (!cluster.lives(*id), *id));
    kept.or_else(|| best(cluster, group, load, voters)).into_iter().collect()
}

fn everywhere(cluster: &Cluster<'_>, group: &Group, voters: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let belong = cluster.view.nodes.iter().filter(|(_, node)| node.standing != Standing::Removed);
    belong
        .map(|(id, _)| *id)
        .filter(|id| !voters.contains(id))
        .filter(|id| cluster.lives(*id) || group.learners.contains_key(id))
        .collect()
}

fn resized(group: &Group, voters: &BTreeSet<NodeId>) -> String {
    let (now, then) = (group.voters.len(), voters.len());
    let verb = if then < now { "shrinks" } else { "grows" };
    format!("{verb} from {now} to {then} voters")
}

fn stays(cluster: &Cluster<'_>, group: &Group, voters: &BTreeSet<NodeId>) -> Option<String> {
    let (id, why) = voters.iter().find_map(|id| cluster.leaving(*id).map(|why| (*id, why)))?;
    let rest = group.voters.len() - 1;
    let ways_out = if rest == 0 || cluster.removed(id) {
        "add one".to_owned()
    } else {
        format!("add one, or remove the node (bellwether cluster remove NODE) to go on with {rest}")
    };
    Some(format!("{why}: no node to take its replica; {ways_out}"))
}
