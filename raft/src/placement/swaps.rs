//! Moves of healthy replicas, for a better spread or more even numbers.

use std::{cmp::Reverse, collections::BTreeMap};

use model::NodeId;

use super::{
    Group, META,
    aim::Aim,
    cluster::Cluster,
    spread::{Load, crowding},
    step::Course,
};

/// How much a spread gains, regions before zones; less is better.
type Change = (isize, isize);

/// One voter for another.
struct Swap {
    number: u64,
    out: NodeId,
    new: NodeId,
    change: Change,
    /// How many more replicas `out` has.
    excess: isize,
}

impl Swap {
    /// Whether it is for the sake of numbers alone.
    fn evens(&self) -> bool {
        self.change == (0, 0)
    }
}

/// Finds the moves again that have begun: they have a learner already.
pub(super) fn resume(cluster: &Cluster<'_>, aims: &mut BTreeMap<u64, Aim>, load: &mut Load) {
    while let Some(swap) = find(cluster, aims, load, true) {
        apply(cluster, &swap, aims, load);
    }
}

/// Begins up to so many moves.
pub(super) fn begin(
    cluster: &Cluster<'_>,
    aims: &mut BTreeMap<u64, Aim>,
    load: &mut Load,
    most: usize,
) {
    for _ in 0..most {
        let Some(swap) = find(cluster, aims, load, false) else { return };
        if swap.evens() && !quiet(cluster, aims) {
            return;
        }
        apply(cluster, &swap, aims, load);
    }
}

/// Whether nothing moves but for more even numbers: what else moves changes them.
fn quiet(cluster: &Cluster<'_>, aims: &BTreeMap<u64, Aim>) -> bool {
    let mut groups = cluster.view.groups.iter();
    groups.all(|(number, group)| {
        aims.get(number).is_none_or(|aim| aim.evens || aim.voters == group.voters)
    })
}

fn apply(cluster: &Cluster<'_>, swap: &Swap, aims: &mut BTreeMap<u64, Aim>, load: &mut Load) {
    let Some(aim) = aims.get_mut(&swap.number) else { return };
    aim.why = why(cluster, swap, aim, load);
    aim.evens = swap.evens();
    load.take(swap.number, [&swap.out]);
    load.add(swap.number, [&swap.new]);
    aim.voters.remove(&swap.out);
    aim.voters.insert(swap.new);
    aim.copies.remove(&swap.new);
}

/// The best move of a group that has a learner for it, or of one that is not in motion.
fn find(
    cluster: &Cluster<'_>,
    aims: &BTreeMap<u64, Aim>,
    load: &Load,
    begun: bool,
) -> Option<Swap> {
    let groups = cluster.view.groups.iter();
    let swaps = groups.filter_map(|(number, group)| {
        let course = Course { cluster, number: *number, group, aim: aims.get(number)? };
        let open = if begun { resumable(&course) } else { spare(&course) };
        open.then(|| best(cluster, *number, group, load, begun)).flatten()
    });
    swaps.min_by_key(|swap| (swap.change, Reverse(swap.excess), swap.number))
}

/// Whether a move that has begun goes on: it does when a voter falls behind or away for a while.
/// Learners of `meta` are no sign of a beginning.
fn resumable(course: &Course<'_>) -> bool {
    let Course { cluster, number, group, .. } = course;
    let stay = group.voters.iter().all(|id| cluster.may_hold(*id));
    // An only voter would pass through two.
    let movable = course.arrived() && group.voters.len() >= 3 && !group.changing;
    movable && stay && (*number != META || course.well())
}

/// Whether a move may begin.
fn spare(course: &Course<'_>) -> bool {
    let led = course.cluster.leader(course.group).is_some();
    resumable(course) && course.well() && led && !course.in_motion()
}

fn best(
    cluster: &Cluster<'_>,
    number: u64,
    group: &Group,
    load: &Load,
    begun: bool,
) -> Option<Swap> {
    let has = |id: &NodeId| group.learners.contains_key(id);
    let voters: Vec<_> = group.voters.iter().copied().collect();
    let takers = cluster.takers.iter().filter(|id| !voters.contains(id) && (!begun || has(id)));
    let takers: Vec<_> = takers.copied().collect();
    let pairs = voters.iter().filter(|id| cluster.lives(**id)).flat_map(|out| {
        let rest: Vec<_> = voters.iter().copied().filter(|id| id != out).collect();
        let before = crowding(cluster, *out, &rest);
        let swap = move |new| {
            let after = crowding(cluster, new, &rest);
            let change = (less(after.0, before.0), less(after.1, before.1));
            Swap { number, out: *out, new, change, excess: less(load.of(*out), load.of(new)) }
        };
        takers.iter().copied().map(swap)
    });
    pairs.filter(worthwhile).min_by_key(|swap| {
        let leads = group.leader == Some(swap.out);
        (swap.change, Reverse(swap.excess), leads, swap.new, swap.out)
    })
}

/// A better spread is; so are more even numbers, but not for the sake of one replica.
fn worthwhile(swap: &Swap) -> bool {
    let uneven = swap.number != META && swap.excess > 1;
    swap.change < (0, 0) || (swap.evens() && uneven)
}

fn less(left: usize, right: usize) -> isize {
    left.cast_signed() - right.cast_signed()
}

fn why(cluster: &Cluster<'_>, swap: &Swap, aim: &Aim, load: &Load) -> String {
    let near = crowding(cluster, swap.out, &aim.voters);
    let all = aim.voters.len();
    let place = |of: fn(&super::Node) -> &str| cluster.node(swap.out).map_or("", of);
    match swap.change {
        (region, _) if region < 0 => {
            format!("spread over regions: {} has {} of {all}", place(|n| &n.region), near.0 + 1)
        }
        (0, 0) => format!(
            "replicas: {} holds {}, {} holds {}",
            cluster.name(swap.out),
            load.of(swap.out),
            cluster.name(swap.new),
            load.of(swap.new)
        ),
        _ => format!("spread over zones: {} has {} of {all}", place(|n| &n.zone), near.1 + 1),
    }
}
