//! Absences, leaders, groups that stand still.

use super::sketch::{ids, nodes};
use crate::placement::{Policy, Standing, View, cluster::Cluster, leaders::Leads, plan};

fn four() -> View {
    nodes(&["", "", "", ""]).group(&[1, 2, 3], &[4]).group(&[3, 1, 2], &[])
}

#[test]
fn a_short_absence_moves_nothing() {
    let view = nodes(&["", "", ""]).group(&[1, 2, 3], &[]).away(2, 9);
    assert_eq!(view.plan(), "nothing to move");
    assert_eq!(four().away(2, 9).plan(), "nothing to move");
}

#[test]
fn a_long_absence_gives_the_replicas_to_a_fourth_node() {
    let view = four().away(2, 11);
    assert_eq!(
        view.plan(),
        "group 0: set voters 1, 3, 4: node 2 (n2) is away for 11 min\n\
         group 1: add learner 4: node 2 (n2) is away for 11 min"
    );
    assert_eq!(
        nodes(&["", "", ""]).group(&[1, 2, 3], &[]).away(2, 11).plan(),
        "group 0: blocked: node 2 (n2) is away for 11 min: no node to take its replica; add one, \
         or remove the node (bellwether cluster remove NODE) to go on with 2"
    );
}

#[test]
fn uneven_leaders_move_two_at_a_time() {
    let mut view = nodes(&["", "", ""]).group(&[2, 1, 3], &[]);
    for _ in 0..9 {
        view = view.group(&[1, 2, 3], &[]);
    }
    assert_eq!(
        view.plan(),
        "group 1: transfer to 3: leaders: n1 leads 9, n3 leads 0\n\
         group 2: transfer to 2: leaders: n1 leads 8, n2 leads 1"
    );
}

#[test]
fn leads_move_through_a_node_between_where_no_voter_is_common() {
    let mut view = nodes(&["eu", "eu", "eu", "us"]);
    for _ in 0..3 {
        view = view.group(&[1, 2, 4], &[]);
    }
    let view = view.group(&[2, 3, 4], &[]).group(&[2, 3, 4], &[]).group(&[3, 2, 4], &[]);
    let policy = Policy { preferred_region: Some("eu".to_owned()), ..Policy::default() };
    let cluster = Cluster::new(&view, &policy);
    let leads = Leads::now(&cluster);
    let seats = view.groups.iter().filter_map(|(number, group)| leads.seat(*number, group));
    let next = leads.transfer(&seats.collect::<Vec<_>>()).unwrap();
    let text = format!("group {}: transfer to {}: {}", next.group, next.to, next.why);
    assert_eq!(text, "group 3: transfer to 3: leaders: n1 leads 3, n3 leads 1");
}

#[test]
fn leaders_are_in_the_preferred_region_where_voters_are_there() {
    let view = nodes(&["eu", "us", "ap"]).group(&[1, 2, 3], &[]).group(&[3, 1, 2], &[]);
    let policy = Policy { preferred_region: Some("us".to_owned()), ..Policy::default() };
    assert_eq!(
        plan(&view, &policy).to_string(),
        "group 0: transfer to 2: leaders: the preferred region is us\n\
         group 1: transfer to 2: leaders: the preferred region is us"
    );
    let view = view.led(0, 2).led(1, 2);
    assert_eq!(plan(&view, &policy).to_string(), "nothing to move");
    let view = view.away(2, 1).led(0, 1).led(1, 3);
    assert_eq!(plan(&view, &policy).to_string(), "nothing to move");
}

#[test]
fn a_group_without_a_quorum_stays_as_it_is() {
    let view = four().away(2, 11).away(3, 11);
    assert_eq!(
        view.plan(),
        "group 0: blocked: no quorum: 1 of 3 voters alive\n\
         group 1: blocked: no quorum: 1 of 3 voters alive"
    );
}

#[test]
fn a_change_under_way_and_an_unknown_leader_are_waited_for() {
    let mut view = four().away(2, 11);
    view.groups.get_mut(&0).unwrap().changing = true;
    view.groups.get_mut(&1).unwrap().leader = None;
    assert_eq!(
        view.plan(),
        "group 0: blocked: a change of its voters is under way\n\
         group 1: blocked: no leader is known"
    );
}

#[test]
fn a_leader_stays_a_voter_until_another_can_take_over() {
    let view = nodes(&["", "", "", ""]).standing(3, Standing::Draining);
    let mut view = view.group(&[1, 2, 4], &[3]).group(&[3, 1, 2], &[4]);
    view.groups.get_mut(&1).unwrap().lagging = ids(&[1, 2]);
    assert_eq!(
        view.plan(),
        "group 1: blocked: node 3 (n3) leads, and no other voter can take over"
    );
    view.groups.get_mut(&1).unwrap().lagging = ids(&[1]);
    assert_eq!(view.plan(), "group 1: transfer to 2: node 3 (n3) is draining");
}

#[test]
fn a_replica_that_nothing_is_made_of_is_dropped() {
    let view = nodes(&["", "", "", ""]).group(&[1, 2, 3], &[4]).group(&[2, 1, 3], &[4]);
    assert_eq!(view.plan(), "group 1: drop learner 4: it is not needed");
    assert_eq!(view.away(4, 1).plan(), "nothing to move");
}
