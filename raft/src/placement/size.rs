//! How many voters a group is to have.

use model::NodeId;

use super::{Group, META, cluster::Cluster};

/// The number of voters. It is odd, except where a removal has left an even one and no node can
/// make up for it.
pub(super) fn voters(cluster: &Cluster<'_>, number: u64, group: &Group) -> usize {
    let now = group.voters.len();
    let asked = odd(asked(cluster, number));
    let wanted = odd(asked.min(holders(cluster, group)));
    if wanted >= now {
        return wanted;
    }
    // Fewer voters bear fewer failures, so none is given up while one that stays is away.
    if away(cluster, group) > 0 {
        return now;
    }
    if wanted >= 3 || wanted == asked { wanted } else { few(cluster, group) }
}

/// Three voters are never made one for want of nodes: one bears no failure, and its data has one
/// copy. Of two the one that stays goes on alone, since two fail when either does.
fn few(cluster: &Cluster<'_>, group: &Group) -> usize {
    let leaves = group.voters.iter().any(|id| !cluster.may_hold(*id));
    match group.voters.len() {
        2 if leaves => 1,
        now => now.min(3),
    }
}

pub(super) fn asked(cluster: &Cluster<'_>, number: u64) -> usize {
    if number == META { cluster.policy.meta_replicas } else { cluster.policy.replicas }
}

/// The nodes that hold a voter and may keep it, or can take one.
fn holders(cluster: &Cluster<'_>, group: &Group) -> usize {
    cluster.takers.len() + away(cluster, group)
}

/// The voters that are away for a while.
fn away(cluster: &Cluster<'_>, group: &Group) -> usize {
    let back_soon = |id: &NodeId| cluster.may_hold(*id) && !cluster.lives(*id);
    group.voters.iter().filter(|id| back_soon(id)).count()
}

/// The largest odd number up to this one, at least 1.
pub(super) fn odd(number: usize) -> usize {
    number.saturating_sub(1) | 1
}
