//! Show 3: the node is killed at random moments while 200 targets flip, and afterwards nothing
//! that was acknowledged is missing, no event is lost, and the ledger agrees with the targets.

use std::time::Duration;

use anyhow::{Result, ensure};
use bellwether_tests::{
    Config, Node, Storm,
    control::{note, rounds, seeded},
};
use rand::RngExt;

#[tokio::test(flavor = "multi_thread")]
async fn semantics_7_to_11_and_17_hold_when_the_node_is_killed_at_random_moments() -> Result<()> {
    let (seed, mut random) = seeded("kill");
    let node = Node::start(&Config::new().timing("1s", "900ms")).await?;
    let mut storm = Storm::start(vec![node], seed).await?;
    let rounds = rounds(8);
    for _ in 0..rounds {
        storm.kill_after(0, Duration::from_millis(random.random_range(100..2_500))).await?;
        storm.launch(0).await?;
    }
    let (acknowledged, repeats) = storm.judge().await?;
    ensure!(repeats == 0, "one node has {repeats} events twice");
    let slowest = storm.slowest_restart();
    note(&format!(
        "kill: {rounds} kills, {acknowledged} acknowledged writes, slowest restart {slowest:?}"
    ));
    Ok(())
}
