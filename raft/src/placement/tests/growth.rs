//! From one node to three and more.

use super::sketch::nodes;

#[test]
fn one_node_alone_holds_all() {
    let view = nodes(&["", ""][..1]).group(&[1], &[]).group(&[1], &[]);
    assert_eq!(view.plan(), "nothing to move");
}

#[test]
fn a_second_node_gets_copies_and_no_vote() {
    let view = nodes(&["", ""]).group(&[1], &[]).group(&[1], &[]).group(&[1], &[]);
    assert_eq!(
        view.plan(),
        "group 0: add learner 2: every node holds a replica of meta\n\
         group 1: add learner 2: a copy beside its only voter\n\
         1 more group waits for its turn"
    );
    let view = nodes(&["", ""]).group(&[1], &[2]).group(&[1], &[2]);
    assert_eq!(view.plan(), "nothing to move");
}

#[test]
fn a_third_node_makes_three_voters_of_one_at_once() {
    let three = || nodes(&["", "", ""]);
    assert_eq!(
        three().group(&[1], &[2]).group(&[1], &[2]).plan(),
        "group 0: add learner 3: grows from 1 to 3 voters\n\
         group 1: add learner 3: grows from 1 to 3 voters"
    );
    assert_eq!(
        three().group(&[1], &[2]).late(0, 3).group(&[1], &[2, 3]).plan(),
        "group 0: blocked: node 3 (n3) is not level yet: grows from 1 to 3 voters\n\
         group 1: set voters 1, 2, 3: grows from 1 to 3 voters"
    );
    assert_eq!(three().group(&[1, 2, 3], &[]).group(&[2, 3, 1], &[]).plan(), "nothing to move");
}

#[test]
fn meta_grows_to_five_and_shards_do_not() {
    let view = nodes(&["", "", "", "", ""]).group(&[1, 2, 3], &[4, 5]).group(&[2, 4, 5], &[]);
    assert_eq!(view.plan(), "group 0: set voters 1, 2, 3, 4, 5: grows from 3 to 5 voters");
    let view = nodes(&["", "", "", ""]).group(&[1, 2, 3], &[4]);
    assert_eq!(view.plan(), "nothing to move");
}

#[test]
fn five_nodes_of_three_regions_hold_a_replica_in_each() {
    let five = || nodes(&["eu", "eu", "us", "us", "ap"]).group(&[3, 1, 2, 4, 5], &[]);
    assert_eq!(
        five().group(&[1, 2, 3], &[]).group(&[4, 2, 5], &[]).plan(),
        "group 1: add learner 5: spread over regions: eu has 2 of 3"
    );
    assert_eq!(
        five().group(&[1, 2, 3], &[5]).group(&[4, 2, 5], &[]).plan(),
        "group 1: set voters 1, 3, 5: spread over regions: eu has 2 of 3"
    );
    let spread = five().group(&[1, 3, 5], &[]).group(&[4, 2, 5], &[]);
    assert_eq!(spread.plan(), "nothing to move");
}

#[test]
fn zones_of_a_region_hold_one_replica_each() {
    let view = nodes(&["eu/a", "eu/a", "eu/b", "eu/c"]).group(&[1, 3, 4], &[2]);
    assert_eq!(
        view.group(&[2, 1, 3], &[]).plan(),
        "group 1: add learner 4: spread over zones: a has 2 of 3"
    );
}

#[test]
fn numbers_are_evened_by_more_than_one_and_a_few_at_a_time() {
    let four = || nodes(&["", "", "", ""]).group(&[1, 2, 3], &[4]);
    let (a, b) = (four().group(&[2, 1, 3], &[]), four().group(&[2, 1, 3], &[]));
    assert_eq!(a.plan(), "nothing to move");
    let b = b.group(&[3, 1, 2], &[]).group(&[1, 2, 3], &[]);
    assert_eq!(
        b.plan(),
        "group 1: add learner 4: replicas: n1 holds 3, n4 holds 0\n\
         group 2: add learner 4: replicas: n2 holds 3, n4 holds 1"
    );
}
