//! Random clusters under faults: no step does harm, and what is left to do gets done.

use std::{collections::BTreeSet, time::Duration};

use model::NodeId;

use super::{chance::Chance, ends, world::World};
use crate::placement::{Action, Group, META, Node, Plan, Policy, Standing, Step, View, plan};

const CLUSTERS: u64 = 1_000;
/// More than enough for 33 groups, two at a time.
const CALM: u64 = 2_000;
/// By then all that came back is level.
const AFTERMATH: u64 = 10;

#[test]
fn random_clusters_keep_their_quorums_and_settle() {
    let given = std::env::var("BELLWETHER_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = given.map_or(0..CLUSTERS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let _shown = Shown(seed);
        live(seed);
    }
}

/// Says which seed has failed.
struct Shown(u64);

impl Drop for Shown {
    #[expect(clippy::print_stderr, reason = "a failed test says how to repeat it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("BELLWETHER_SEED={}", self.0);
        }
    }
}

fn live(seed: u64) {
    let mut chance = Chance::new(seed);
    let policy = policy(&mut chance);
    let view = view(&mut chance);
    let faults = chance.below(100);
    let failing = 10 * chance.below(4);
    let mut world = World::new(view, chance, failing);
    for _ in 0..faults {
        fault(&mut world);
        round(&mut world, &policy);
    }
    calm(&mut world, &policy);
    ends::check(&world, &policy);
}

/// Faults end: some nodes never come back, all else works. Rounds go on until nothing moves for
/// longer than anything takes.
fn calm(world: &mut World, policy: &Policy) {
    world.failing = 0;
    let away: Vec<_> = world.view.nodes.keys().copied().filter(|id| !world.lives(*id)).collect();
    for id in away {
        if world.chance.percent(70) {
            world.revive(id);
        } else {
            world.view.nodes.get_mut(&id).unwrap().away = Some(policy.replace_after);
        }
    }
    let mut still = 0;
    let mut added = BTreeSet::new();
    for past in 0..CALM {
        let plan = round(world, policy);
        if past > AFTERMATH {
            steadfast(&plan, &mut added);
        }
        let moved = !plan.steps.is_empty();
        still = if moved { 0 } else { still + 1 };
        if still > 8 {
            return;
        }
    }
    panic!("it does not settle:\n{}", plan(&world.view, policy));
}

/// What is begun while nothing goes wrong is brought to an end.
fn steadfast(plan: &Plan, added: &mut BTreeSet<(u64, NodeId)>) {
    for Step { group, action, .. } in &plan.steps {
        match action {
            Action::AddLearner { node } => drop(added.insert((*group, *node))),
            Action::DropLearner { node } => {
                assert!(!added.contains(&(*group, *node)), "added for nothing:\n{plan}");
            }
            Action::SetVoters { .. } | Action::Transfer { .. } => {}
        }
    }
}

fn round(world: &mut World, policy: &Policy) -> Plan {
    let plan = plan(&world.view, policy);
    bounded(world, &plan, policy);
    for step in &plan.steps {
        harmless(world, policy, step);
        let before = world.commits(step.group);
        world.execute(step);
        assert!(!before || world.commits(step.group), "{step} takes the quorum away");
    }
    world.pass();
    plan
}

fn bounded(world: &World, plan: &Plan, policy: &Policy) {
    let mut groups = plan.steps.iter().map(|step| step.group).collect::<Vec<_>>();
    groups.extend(plan.blocked.iter().map(|blocked| blocked.group));
    let distinct: BTreeSet<_> = groups.iter().collect();
    assert_eq!(distinct.len(), groups.len(), "a group twice:\n{plan}");
    let transfer = |step: &&Step| matches!(step.action, Action::Transfer { .. });
    let transfers = plan.steps.iter().filter(transfer).count();
    assert!(transfers <= policy.at_once, "too many transfers:\n{plan}");
    let mut moving: BTreeSet<_> = world.moving().collect();
    let before = moving.len();
    let moves =
        |step: &&Step| matches!(step.action, Action::AddLearner { .. } | Action::SetVoters { .. });
    moving.extend(plan.steps.iter().filter(moves).map(|step| step.group));
    assert!(moving.len() <= before.max(policy.at_once), "too many moves:\n{plan}");
}

fn harmless(world: &World, policy: &Policy, step: &Step) {
    let group = &world.view.groups[&step.group];
    let leader = group.leader.expect("only a leader can act");
    assert!(world.lives(leader) && world.quorum(&group.voters) && !group.changing, "{step}");
    match &step.action {
        Action::AddLearner { node } => {
            assert!(world.lives(*node), "{step}");
            assert!(!group.voters.contains(node) && !group.learners.contains_key(node), "{step}");
        }
        Action::SetVoters { voters } => voters_may_change(world, policy, group, voters),
        Action::Transfer { to } => {
            assert!(*to != leader && world.lives(*to) && group.voters.contains(to), "{step}");
            assert!(!group.lagging.contains(to), "{step}");
        }
        Action::DropLearner { node } => assert!(!kept(world, policy, *node), "{step}"),
    }
}

fn voters_may_change(world: &World, policy: &Policy, group: &Group, voters: &BTreeSet<NodeId>) {
    assert!(voters.contains(&group.leader.unwrap()), "the leader leaves");
    assert!(world.quorum(voters), "no quorum afterwards");
    let level = voters.difference(&group.voters).all(|id| group.learners.get(id) == Some(&true));
    assert!(level, "a new voter is not level");
    let lost = group.voters.difference(voters).find(|id| kept(world, policy, **id));
    assert_eq!(lost, None, "moved for a short absence");
    let removed = |id: &NodeId| world.view.nodes[id].standing == Standing::Removed;
    let may_be_even = group.voters.len().is_multiple_of(2)
        || group.voters.len() == 1
        || group.voters.iter().any(removed);
    assert!(!voters.len().is_multiple_of(2) || may_be_even, "an even number of voters");
}

/// Whether a node is away, but not for so long that its replicas are given up.
fn kept(world: &World, policy: &Policy, id: NodeId) -> bool {
    let node = &world.view.nodes[&id];
    let away = node.away.is_some_and(|away| away < policy.replace_after);
    node.standing == Standing::Active && away
}

fn fault(world: &mut World) {
    let nodes: Vec<_> = world.view.nodes.keys().copied().collect();
    let id = world.chance.one(&nodes).unwrap();
    match world.chance.below(40) {
        0 => world.view.nodes.get_mut(&id).unwrap().standing = Standing::Draining,
        1 => world.view.nodes.get_mut(&id).unwrap().standing = Standing::Removed,
        2 => world.view.nodes.get_mut(&id).unwrap().standing = Standing::Active,
        3 if nodes.len() < 9 => {
            let (region, zone) = place(&mut world.chance, 3, 3);
            world.join(region, zone);
        }
        4..8 if world.lives(id) => world.kill(id),
        4..16 if !world.lives(id) => world.revive(id),
        _ => {}
    }
}

fn policy(chance: &mut Chance) -> Policy {
    let replicas = chance.one(&[3, 3, 3, 3, 5, 2, 1]).unwrap();
    let preferred_region = chance.percent(25).then(|| "r0".to_owned());
    let at_once = usize::try_from(chance.below(4) + 1).unwrap();
    let everywhere = chance.percent(50);
    Policy { replicas, preferred_region, at_once, everywhere, ..Policy::default() }
}

fn place(chance: &mut Chance, regions: u64, zones: u64) -> (String, String) {
    (format!("r{}", chance.below(regions)), format!("z{}", chance.below(zones)))
}

fn view(chance: &mut Chance) -> View {
    let (regions, zones) = (chance.below(3) + 1, chance.below(3) + 1);
    let mut view = View::default();
    for id in 1..=chance.below(9) + 1 {
        let (region, zone) = place(chance, regions, zones);
        let (name, standing) = (format!("n{id}"), Standing::Active);
        let away = chance.percent(5).then_some(Duration::ZERO);
        view.nodes.insert(NodeId(id), Node { name, region, zone, standing, away });
    }
    for number in 0..=chance.below(33) {
        let group = group(chance, &view, number);
        view.groups.insert(number, group);
    }
    view
}

fn group(chance: &mut Chance, view: &View, number: u64) -> Group {
    let nodes: Vec<_> = view.nodes.keys().copied().collect();
    let sizes = if number == META { [1, 3, 5] } else { [1, 3, 3] };
    let sizes: Vec<_> = sizes.into_iter().filter(|size| *size <= nodes.len()).collect();
    let size = chance.one(&sizes).unwrap();
    let voters: BTreeSet<_> = chance.some(nodes.clone(), size).into_iter().collect();
    let extra = usize::try_from(chance.below(3)).unwrap();
    let others = nodes.into_iter().filter(|id| !voters.contains(id)).collect();
    let learners = chance.some(others, extra).into_iter().map(|id| (id, true)).collect();
    Group { voters, learners, ..Group::default() }
}
