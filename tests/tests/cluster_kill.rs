//! Nodes of three are killed at random moments, one at a time and at times two, while 200 targets
//! flip; the same must hold as for one node, over the files of all of them.

use std::time::Duration;

use anyhow::Result;
use bellwether_tests::{
    Cluster, Config, Storm,
    control::{note, rounds, seeded},
};
use rand::RngExt;

/// How long the survivors may be left to themselves.
const AWAY: std::ops::Range<u64> = 0..4_000;

#[tokio::test(flavor = "multi_thread")]
async fn semantics_6_to_11_17_and_22_hold_when_nodes_of_three_are_killed() -> Result<()> {
    let (seed, mut random) = seeded("cluster_kill");
    let mut cluster = Cluster::start(3, &Config::new().timing("1s", "900ms")).await?;
    let mut storm = Storm::start(std::mem::take(&mut cluster.nodes), seed).await?;
    let rounds = rounds(6);
    for _ in 0..rounds {
        let victim = random.random_range(0..3);
        storm.kill_after(victim, Duration::from_millis(random.random_range(100..2_500))).await?;
        tokio::time::sleep(Duration::from_millis(random.random_range(AWAY))).await;
        if random.random_bool(0.3) {
            let another = (victim + 1) % 3;
            storm.kill_after(another, Duration::from_millis(random.random_range(0..500))).await?;
            storm.nodes[another].start_process()?;
        }
        storm.launch(victim).await?;
    }
    let (acknowledged, repeats) = storm.judge().await?;
    note(&format!(
        "cluster_kill: {rounds} rounds, {acknowledged} acknowledged writes, slowest restart {:?}, \
         {repeats} events in the files of two nodes",
        storm.slowest_restart()
    ));
    Ok(())
}
