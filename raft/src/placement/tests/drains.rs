//! Nodes that are to hold nothing.

use super::sketch::nodes;
use crate::placement::{Standing, View};

fn draining(places: &[&str], id: u64) -> View {
    nodes(places).standing(id, Standing::Draining)
}

#[test]
fn a_fourth_node_takes_the_replicas_of_a_draining_one() {
    let four = || draining(&["", "", "", ""], 3);
    assert_eq!(
        four().group(&[1, 2, 3], &[4]).group(&[2, 1, 3], &[]).group(&[3, 1, 2], &[]).plan(),
        "group 0: set voters 1, 2, 4: node 3 (n3) is draining\n\
         group 1: add learner 4: node 3 (n3) is draining\n\
         group 2: transfer to 1: node 3 (n3) is draining"
    );
    assert_eq!(
        four().group(&[1, 2, 4], &[]).group(&[2, 1, 3], &[4]).group(&[1, 2, 3], &[]).plan(),
        "group 1: set voters 1, 2, 4: node 3 (n3) is draining\n\
         group 2: add learner 4: node 3 (n3) is draining\n\
         1 more group waits for its turn"
    );
    assert_eq!(
        four().group(&[1, 2, 4], &[3]).group(&[2, 1, 4], &[]).group(&[4, 1, 2], &[]).plan(),
        "nothing to move"
    );
}

#[test]
fn without_a_fourth_node_a_draining_one_loses_its_leads_alone() {
    let three = || draining(&["", "", ""], 3).group(&[1, 2, 3], &[]);
    assert_eq!(
        three().group(&[3, 1, 2], &[]).plan(),
        "group 0: blocked: node 3 (n3) is draining: no node to take its replica; add one, or \
         remove the node (bellwether cluster remove NODE) to go on with 2\n\
         group 1: transfer to 2: node 3 (n3) is draining"
    );
    assert_eq!(
        three().plan(),
        "group 0: blocked: node 3 (n3) is draining: no node to take its replica; add one, or \
         remove the node (bellwether cluster remove NODE) to go on with 2"
    );
}

#[test]
fn without_a_fourth_node_a_removed_one_leaves_two_voters() {
    let removed = || nodes(&["", "", ""]).standing(3, Standing::Removed);
    assert_eq!(
        removed().group(&[1, 2, 3], &[]).plan(),
        "group 0: set voters 1, 2: node 3 (n3) was removed"
    );
    assert_eq!(removed().group(&[1, 2], &[]).plan(), "nothing to move");
    assert_eq!(
        removed().away(2, 1).group(&[1, 2, 3], &[]).plan(),
        "group 0: blocked: node 3 (n3) was removed: only 1 of the next 2 voters alive and level"
    );
}

#[test]
fn meta_shrinks_from_five_to_three_when_one_of_five_drains() {
    let view = draining(&["", "", "", "", ""], 5).group(&[5, 1, 2, 3, 4], &[]);
    assert_eq!(view.plan(), "group 0: transfer to 1: node 5 (n5) is draining");
    let view = view.led(0, 1);
    assert_eq!(view.plan(), "group 0: set voters 1, 2, 3: node 5 (n5) is draining");
}

#[test]
fn an_only_voter_hands_over_through_two() {
    let two = || draining(&["", ""], 1);
    assert_eq!(two().group(&[1], &[2]).plan(), "group 0: set voters 1, 2: node 1 (n1) is draining");
    assert_eq!(two().group(&[1, 2], &[]).plan(), "group 0: transfer to 2: node 1 (n1) is draining");
    assert_eq!(two().group(&[2, 1], &[]).plan(), "group 0: set voters 2: node 1 (n1) is draining");
    assert_eq!(
        draining(&[""], 1).group(&[1], &[]).plan(),
        "group 0: blocked: node 1 (n1) is draining: no node to take its replica; add one"
    );
}

#[test]
fn of_those_that_leave_the_dead_go_first() {
    let view = draining(&["", "", "", "", ""], 2).away(3, 11).group(&[4, 1, 5], &[2, 3]);
    let view = view.group(&[1, 2, 3], &[4, 5]);
    assert_eq!(view.plan(), "group 1: set voters 1, 2, 4: node 3 (n3) is away for 11 min");
}

#[test]
fn a_copy_is_kept_until_another_is_level() {
    let three = || draining(&["", "", ""], 2).group(&[1], &[2, 3]).group(&[1], &[2, 3]);
    assert_eq!(three().late(1, 3).plan(), "nothing to move");
    assert_eq!(three().plan(), "group 1: drop learner 2: node 2 (n2) is draining");
}
