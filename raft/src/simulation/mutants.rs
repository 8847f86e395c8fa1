//! Seeded bugs of the cluster: each is caught by a history that holds without it. A simulation that
//! lets one through proves nothing.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use model::{NodeId, ShardId};
use tokio::time::Instant;

use super::{
    Cluster,
    bugs::Bug,
    history::{NODES, SHARDS, declare, history},
    run,
};
use crate::{
    fixture::{registration, spec},
    node::Shards,
    nodes::{NodeFacts, NodeStanding},
};

/// The most histories that a bug may take to show itself.
const MOST: u64 = 200;
/// From which seed on; `BELLWETHER_SEED` names another.
const FIRST: u64 = 1;

#[expect(clippy::print_stderr, reason = "who catches it, and how, is worth knowing")]
fn is_caught<F: Future<Output = ()>>(bug: &'static str, story: fn() -> F) {
    let given = std::env::var("BELLWETHER_SEED").ok().and_then(|text| text.parse().ok());
    let first: u64 = given.unwrap_or(FIRST);
    let with_it = |seed| {
        let _bug = Bug::seed(bug);
        catch_unwind(AssertUnwindSafe(|| run(seed, story()))).err()
    };
    for seed in (0..MOST).map(|n| first.wrapping_add(n)) {
        if let Some(caught) = with_it(seed) {
            run(seed, story());
            eprintln!("{bug}: caught by the history of seed {seed}: {}", said(caught.as_ref()));
            return;
        }
    }
    panic!("{bug} is not caught by {MOST} histories from BELLWETHER_SEED={first} on");
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}

async fn any_history() {
    history().await;
}

#[test]
fn a_result_of_a_term_that_is_over_is_caught() {
    is_caught("bug-ignore-term", any_history);
}

#[test]
fn a_linearizable_read_from_a_deposed_leader_is_caught() {
    is_caught("bug-deposed-reads", any_history);
}

#[test]
fn actors_that_start_before_the_barrier_are_caught() {
    is_caught("bug-no-barrier", any_history);
}

#[test]
fn a_committed_index_that_is_forgotten_at_a_restart_is_caught() {
    is_caught("bug-forget-committed", any_history);
}

#[test]
fn entries_that_go_before_what_came_of_them_is_durable_are_caught() {
    is_caught("bug-shorten-before-written", any_history);
}

#[test]
fn a_lead_that_is_resumed_after_a_restart_is_caught() {
    is_caught("bug-leader-restore", any_history);
}

#[test]
fn a_lead_that_goes_to_a_node_that_is_behind_is_caught() {
    is_caught("bug-transfer-behind", a_lead_is_offered_to_one_that_is_behind);
}

#[test]
fn an_id_that_is_given_twice_is_caught() {
    is_caught("bug-reuse-node-id", one_that_lost_its_disk_asks_to_join);
}

/// Writes go on: longer than this they do not stand still.
const STANDSTILL: Duration = Duration::from_millis(250);

async fn a_lead_is_offered_to_one_that_is_behind() {
    let cluster = Cluster::of(&NODES, SHARDS).await;
    assert!(declare(&cluster, "before").await);
    cluster.isolate(NODES[2]);
    let leader = cluster.node(NODES[0]);
    let write = async |id: &str| {
        let began = Instant::now();
        leader.declare(registration(spec(id)), None).await.unwrap();
        assert!(began.elapsed() < STANDSTILL, "{id} took {:?}", began.elapsed());
    };
    write("within").await;
    let group = Shards::group_number(ShardId::of(&"after".parse().unwrap(), SHARDS));
    // Whether it is refused is one matter, that writes go on the one that counts.
    let (_, ()) = tokio::join!(leader.transfer(group, NODES[2]), write("after"));
    cluster.close().await;
}

async fn one_that_lost_its_disk_asks_to_join() {
    let cluster = Cluster::of(&NODES, SHARDS).await;
    let first = cluster.node(NODES[0]);
    for (node, name) in [(NODES[1], "n2"), (NODES[2], "n3")] {
        let admitted = first.admit_node(format!("key of {node}"), facts(name)).await;
        assert_eq!(admitted, Ok(Ok(node)));
    }
    cluster.kill(NODES[2]).await;
    let again = first.admit_node("another key".to_owned(), facts("n3")).await.unwrap();
    assert!(again.is_err(), "a name that a member holds is given to another: {again:?}");
    let removed = first.set_standing(NODES[2], NodeStanding::Removed, first.nodes_left()).await;
    assert_eq!(removed, Ok(Ok(())));
    let again = first.admit_node("another key".to_owned(), facts("n3")).await;
    assert_eq!(again, Ok(Ok(NodeId(4))), "an id is used once");
    cluster.close().await;
}

fn facts(name: &str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        region: String::new(),
        zone: String::new(),
        address: String::new(),
        api: String::new(),
        version: String::new(),
    }
}
