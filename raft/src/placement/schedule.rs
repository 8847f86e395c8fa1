//! Which groups move now: a bounded number, those that have lost a voter first, and of equal ones
//! those that have begun.

use std::collections::BTreeMap;

use super::{
    Action, Blocked, Plan, Step,
    aim::{Aim, aims},
    cluster::Cluster,
    leaders::{Leads, Seat},
    step::{Course, Next},
    swaps,
};

pub(super) fn plan(cluster: &Cluster<'_>) -> Plan {
    let (mut aims, mut load) = aims(cluster);
    swaps::resume(cluster, &mut aims, &mut load);
    let free = free(cluster, &aims);
    let starts = courses(cluster, &aims).filter(starts).count();
    swaps::begin(cluster, &mut aims, &mut load, free.saturating_sub(starts));
    let mut schedule = Schedule::new(cluster, free);
    let mut order: Vec<_> = courses(cluster, &aims).collect();
    order.sort_by_key(|course| (!course.aim.urgent, !course.begun(), course.number));
    for course in order {
        schedule.take(&course);
    }
    schedule.even_leaders();
    schedule.finish()
}

fn courses<'a>(
    cluster: &'a Cluster<'a>,
    aims: &'a BTreeMap<u64, Aim>,
) -> impl Iterator<Item = Course<'a>> {
    let groups = cluster.view.groups.iter();
    groups.filter_map(|(number, group)| {
        Some(Course { cluster, number: *number, group, aim: aims.get(number)? })
    })
}

/// How many groups may be set in motion beside those that are.
fn free(cluster: &Cluster<'_>, aims: &BTreeMap<u64, Aim>) -> usize {
    let moving = courses(cluster, aims).filter(Course::in_motion).count();
    cluster.policy.at_once.saturating_sub(moving)
}

/// Whether the next step sets a group in motion.
fn starts(course: &Course<'_>) -> bool {
    let moves = match course.next() {
        Next::Do(action, _) => catches_up(&action),
        Next::Nothing | Next::Blocked(_) | Next::HandOver { .. } => false,
    };
    moves && !course.in_motion()
}

fn catches_up(action: &Action) -> bool {
    matches!(action, Action::AddLearner { .. } | Action::SetVoters { .. })
}

/// A plan in the making, with what it may still use.
struct Schedule<'a> {
    cluster: &'a Cluster<'a>,
    leads: Leads<'a>,
    seats: Vec<Seat>,
    moves: usize,
    transfers: usize,
    plan: Plan,
}

impl<'a> Schedule<'a> {
    fn new(cluster: &'a Cluster<'a>, moves: usize) -> Self {
        let (leads, transfers) = (Leads::now(cluster), cluster.policy.at_once);
        Self { cluster, leads, seats: Vec::new(), moves, transfers, plan: Plan::default() }
    }

    fn take(&mut self, course: &Course<'_>) {
        let next = course.next();
        if course.arrived() && matches!(next, Next::Nothing | Next::Blocked(_)) {
            self.seat(course);
        }
        match next {
            Next::Nothing => {}
            Next::Blocked(why) => self.plan.blocked.push(Blocked { group: course.number, why }),
            Next::HandOver { heirs, why } => match self.leads.heir(&heirs) {
                Some(to) if self.transfers > 0 => self.transfer(course.number, to, why),
                _ => self.plan.waiting += 1,
            },
            Next::Do(action, why) => self.act(course, action, why),
        }
    }

    fn seat(&mut self, course: &Course<'_>) {
        let still = self.cluster.has_quorum(course.group) && !course.group.changing;
        if still {
            self.seats.extend(self.leads.seat(course.number, course.group));
        }
    }

    fn act(&mut self, course: &Course<'_>, action: Action, why: String) {
        if catches_up(&action) && !course.in_motion() {
            if self.moves == 0 {
                self.plan.waiting += 1;
                return;
            }
            self.moves -= 1;
        }
        self.plan.steps.push(Step { group: course.number, action, why });
    }

    fn transfer(&mut self, group: u64, to: model::NodeId, why: String) {
        self.transfers -= 1;
        self.leads.count(&self.cluster.view.groups[&group], to);
        self.plan.steps.push(Step { group, action: Action::Transfer { to }, why });
    }

    /// After the moves, which have reckoned with their own transfers.
    fn even_leaders(&mut self) {
        while self.transfers > 0
            && let Some(next) = self.leads.transfer(&self.seats)
        {
            self.seats.retain(|seat| seat.group != next.group);
            self.plan.blocked.retain(|blocked| blocked.group != next.group);
            self.transfer(next.group, next.to, next.why);
        }
    }

    fn finish(mut self) -> Plan {
        self.plan.steps.sort_by_key(|step| step.group);
        self.plan.blocked.sort_by_key(|blocked| blocked.group);
        self.plan
    }
}
