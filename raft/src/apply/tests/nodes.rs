//! Who the nodes are: ids are given once, names are held by one, and who has left stays away.

use model::NodeId;

use super::*;
use crate::nodes::{NodeFacts, NodeStanding};

fn facts(name: &str) -> Box<NodeFacts> {
    Box::new(NodeFacts { name: name.to_owned(), ..NodeFacts::default() })
}

fn admit(meta: &mut Harness, key: &str, name: &str) -> Reply {
    meta.apply(Command::AdmitNode { key: key.to_owned(), facts: facts(name) })
}

fn stand(meta: &mut Harness, node: u64, standing: NodeStanding, left: usize) -> Reply {
    meta.apply(Command::StandNode { node: NodeId(node), standing, left })
}

/// `meta` of a cluster that n1 has founded and n2 has joined.
fn two() -> Harness {
    let mut meta = Harness::meta();
    let founder = Command::DescribeNode { node: NodeId(1), facts: facts("n1") };
    assert_eq!(meta.apply(founder), Reply::Done);
    assert_eq!(admit(&mut meta, "k2", "n2"), Reply::Node(NodeId(2)));
    meta
}

#[test]
fn a_repeated_request_gets_the_same_id_and_no_id_is_given_twice() {
    let mut meta = two();
    assert_eq!(admit(&mut meta, "k2", "n2"), Reply::Node(NodeId(2)));
    assert_eq!(stand(&mut meta, 2, NodeStanding::Removed, 0), Reply::Done);
    assert_eq!(admit(&mut meta, "k3", "n2"), Reply::Node(NodeId(3)), "the name is free again");
    meta.reload();
    assert_eq!(admit(&mut meta, "k4", "n4"), Reply::Node(NodeId(4)));
    let removed = Reply::Refused(Refusal::NodeRemoved(NodeId(2)));
    assert_eq!(admit(&mut meta, "k2", "n2"), removed);
    assert_eq!(stand(&mut meta, 2, NodeStanding::Active, 1), removed, "for good");
}

#[test]
fn a_name_is_held_by_one_node_and_a_key_by_its_own() {
    let mut meta = two();
    let taken = |node| Reply::Refused(Refusal::NodeName("N1".to_owned(), NodeId(node)));
    assert_eq!(admit(&mut meta, "k3", "N1"), taken(1));
    let renamed = Command::DescribeNode { node: NodeId(2), facts: facts("N1") };
    assert_eq!(meta.apply(renamed), taken(1));
    let copied = Reply::Refused(Refusal::NodeKey(NodeId(2), "n2".to_owned()));
    assert_eq!(admit(&mut meta, "k2", "n3"), copied);
    let nobody = Command::DescribeNode { node: NodeId(9), facts: facts("n9") };
    assert_eq!(meta.apply(nobody), Reply::Refused(Refusal::NoSuchNode(NodeId(9))));
}

#[test]
fn a_repeated_request_says_where_the_node_is_now() {
    let mut meta = two();
    let mut moved = facts("n2");
    moved.address = "10.0.0.2:7422".to_owned();
    let again = Command::AdmitNode { key: "k2".to_owned(), facts: moved };
    assert_eq!(meta.apply(again), Reply::Node(NodeId(2)));
    assert_eq!(meta.state.nodes[&NodeId(2)].facts.address, "10.0.0.2:7422");
}

#[test]
fn of_two_that_are_removed_at_once_one_is_looked_at_again() {
    let mut meta = two();
    assert_eq!(admit(&mut meta, "k3", "n3"), Reply::Node(NodeId(3)));
    assert_eq!(stand(&mut meta, 2, NodeStanding::Removed, 0), Reply::Done);
    let changed = Reply::Refused(Refusal::NodesChanged);
    assert_eq!(stand(&mut meta, 3, NodeStanding::Removed, 0), changed);
    assert_eq!(stand(&mut meta, 3, NodeStanding::Draining, 0), Reply::Done);
}

#[test]
fn shards_know_no_nodes() {
    let mut shard = Harness::founded();
    let wrong = Reply::Refused(Refusal::WrongGroup);
    assert_eq!(admit(&mut shard, "k2", "n2"), wrong);
}
