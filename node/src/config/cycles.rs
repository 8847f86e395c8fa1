//! Finds resources that depend on themselves by way of others.

use std::collections::{HashMap, HashSet};

use model::{ResourceId, ResourceSpec, decode::Problems};

/// The longest cycle that is written out in full.
const SHOWN: usize = 50;
/// More cycles than this are not looked for: those come to light once these are broken.
const MAX_CYCLES: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Unseen,
    OnPath,
    Done,
}

/// Reports every cycle once, at the first of its members.
pub(super) fn report(
    specs: &[(String, ResourceSpec)],
    pointers: &HashMap<ResourceId, String>,
    problems: &Problems,
) {
    let indexes: HashMap<&ResourceId, usize> =
        specs.iter().enumerate().map(|(n, (_, spec))| (&spec.id, n)).collect();
    let parents = |n: usize| -> Vec<usize> {
        specs[n].1.depends_on.iter().filter_map(|id| indexes.get(id).copied()).collect()
    };
    let mut seen = HashSet::new();
    for cycle in cycles(specs.len(), parents) {
        let mut members = cycle.clone();
        members.sort_unstable();
        if seen.insert(members) {
            let ids: Vec<&ResourceId> = cycle.iter().map(|n| &specs[*n].1.id).collect();
            let pointer = format!("{}/depends_on", pointers[ids[0]]);
            problems.report(pointer, format!("depends on itself: {}", path(&ids)));
        }
    }
}

/// One cycle for each edge that closes one, each beginning at its smallest member.
fn cycles(count: usize, parents: impl Fn(usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    let mut colours = vec![Colour::Unseen; count];
    let mut found = Vec::new();
    for start in 0..count {
        if found.len() < MAX_CYCLES && colours[start] == Colour::Unseen {
            walk(start, &mut colours, &parents, &mut found);
        }
    }
    found
}

/// Depth first, with a stack of its own: chains may be as long as there are resources.
fn walk(
    start: usize,
    colours: &mut [Colour],
    parents: &impl Fn(usize) -> Vec<usize>,
    found: &mut Vec<Vec<usize>>,
) {
    colours[start] = Colour::OnPath;
    let mut path = vec![(start, parents(start))];
    while let Some((node, rest)) = path.last_mut() {
        let Some(next) = rest.pop() else {
            colours[*node] = Colour::Done;
            path.pop();
            continue;
        };
        match colours[next] {
            Colour::Done => {}
            Colour::OnPath if found.len() >= MAX_CYCLES => return,
            Colour::OnPath => {
                let at = path.iter().position(|(n, _)| *n == next).expect("it is on the path");
                found.push(from_smallest(path[at..].iter().map(|(n, _)| *n).collect()));
            }
            Colour::Unseen => {
                colours[next] = Colour::OnPath;
                path.push((next, parents(next)));
            }
        }
    }
}

fn from_smallest(mut cycle: Vec<usize>) -> Vec<usize> {
    let smallest = (0..cycle.len()).min_by_key(|n| cycle[*n]).unwrap_or(0);
    cycle.rotate_left(smallest);
    cycle
}

fn path(ids: &[&ResourceId]) -> String {
    let mut shown: Vec<String> = ids.iter().take(SHOWN).map(ToString::to_string).collect();
    if ids.len() > SHOWN {
        shown.push(format!("… ({} in all)", ids.len()));
    }
    shown.push(ids[0].to_string());
    shown.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[(usize, usize)], count: usize) -> Vec<Vec<usize>> {
        cycles(count, |n| edges.iter().filter(|(from, _)| *from == n).map(|(_, to)| *to).collect())
    }

    #[test]
    fn each_cycle_is_found_once_and_diamonds_are_none() {
        assert_eq!(found(&[(0, 1), (0, 2), (1, 3), (2, 3)], 4), [[0; 0]; 0]);
        assert_eq!(found(&[(2, 1), (1, 0), (0, 2)], 3), [[0, 2, 1]]);
        assert_eq!(found(&[(0, 1), (1, 0), (2, 3), (3, 2)], 4), [[0, 1], [2, 3]]);
    }

    #[test]
    fn a_chain_as_long_as_the_document_needs_no_stack() {
        let count = 100_000;
        let next = |n: usize| if n + 1 < count { vec![n + 1] } else { vec![0] };
        assert_eq!(cycles(count, next)[0].len(), count);
    }
}
