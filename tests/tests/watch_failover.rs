//! A watch survives the death of the node that it was on: resumed with its cursor on another, it
//! misses and repeats no transition, over server-sent events and over gRPC.

#[path = "watch_failover/follower.rs"]
mod follower;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Client, Cluster, Config,
    control::{note, rounds, seeded},
    eventually,
};
use follower::{Follower, Grpc, Sse};
use model::WallTime;
use rand::{RngExt, rngs::StdRng};
use serde_json::json;
use tokio::time::sleep;

const RESOURCES: usize = 20;
/// How long a change may take to be taken in, with a leader to be elected first.
const PATIENCE: Duration = Duration::from_secs(60);

fn id(n: usize) -> String {
    format!("service:{n}")
}

/// Reports for resources, so that their health flips each time.
struct Flips {
    clients: Vec<Client>,
    is_well: [bool; RESOURCES],
    observed: AtomicI64,
}

impl Flips {
    /// Flips a resource. A report that may have arrived is sent again as it was: it counts once.
    async fn flip(&mut self, n: usize) -> Result<()> {
        self.is_well[n] = !self.is_well[n];
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let now = i64::try_from(now)?.max(self.observed.load(Ordering::Relaxed) + 1);
        self.observed.store(now, Ordering::Relaxed);
        let outcome = if self.is_well[n] { "ok" } else { "critical" };
        let report = json!({"outcome": outcome, "observed_at": WallTime(now).to_string()});
        let turn = AtomicUsize::new(n);
        eventually("a report is taken in", PATIENCE, async || {
            let client = &self.clients[turn.fetch_add(1, Ordering::Relaxed) % self.clients.len()];
            let answer = client.observe(&id(n), &report).await?;
            let taken = answer.status.is_success() || answer.status.as_u16() == 409;
            ensure!(taken, "{} {}", answer.status, answer.text);
            Ok(())
        })
        .await
    }

    async fn some(&mut self, random: &mut StdRng, count: usize) -> Result<()> {
        for _ in 0..count {
            self.flip(random.random_range(0..RESOURCES)).await?;
        }
        Ok(())
    }
}

/// How many events each resource has had, as a node shows it.
async fn sequences(client: &Client) -> Result<BTreeMap<String, u64>> {
    let rows = client.list("").await?;
    let of = |row: &serde_json::Value| {
        Some((row["resource_id"].as_str()?.to_owned(), row["sequence"].as_u64()?))
    };
    Ok(rows.iter().filter_map(of).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_13_a_watch_goes_on_at_another_node_over_both_wires() -> Result<()> {
    let (_, mut random) = seeded("watch_failover");
    let mut cluster = Cluster::start(3, &Config::new().shards(4)).await?;
    let (clients, grpc) = (cluster.clients(), (0..3).map(|n| cluster.grpc(n)).collect());
    for n in 0..RESOURCES {
        let declaration = json!({"type": "SERVICE", "name": id(n), "failures": 1, "successes": 1,
            "check": {"push": {"ttl": "1h"}}});
        clients[0]
            .put_until_acknowledged(&id(n), &declaration, &format!("put-{n}"), PATIENCE)
            .await?;
    }
    let mut flips = Flips {
        clients: clients.clone(),
        is_well: [false; RESOURCES],
        observed: AtomicI64::new(0),
    };
    let sse = Follower::start(Sse::new(clients.clone()));
    let messages = Follower::start(Grpc::new(grpc));
    sse.placed(PATIENCE).await?;
    messages.placed(PATIENCE).await?;
    let rounds = rounds(5);
    for round in 0..rounds {
        flips.some(&mut random, 20).await?;
        // The node that the one or the other watch is on.
        let victim = if round % 2 == 0 { sse.node() } else { messages.node() };
        cluster.nodes[victim].kill()?;
        flips.some(&mut random, 20).await?;
        sleep(Duration::from_millis(random.random_range(0..500))).await;
        cluster.nodes[victim].launch().await?;
        cluster.formed().await?;
    }
    let wanted = sequences(&clients[0]).await?;
    ensure!(wanted.len() == RESOURCES, "{wanted:?}");
    for (name, follower) in [("sse", sse), ("gRPC", messages)] {
        let seen = follower.until(&wanted, PATIENCE).await.with_context(|| name.to_owned())?;
        ensure!(seen.told > u64::from(rounds) * 20, "{name} was told {} transitions", seen.told);
        ensure!(seen.resumed >= u64::from(rounds) / 2, "{name} resumed {} times", seen.resumed);
        note(&format!(
            "watch_failover: {name}: {} transitions, resumed {} times",
            seen.told, seen.resumed
        ));
    }
    Ok(())
}
