//! Ours as the subject. A key is a push-fed resource, written by an observation over REST.

use anyhow::{Context, Result};
use harness::{
    Client,
    cluster::{name, status},
    oracle,
};
use model::{ResourceId, ShardId};
use serde_json::{Value, json};

use super::{
    super::ours::cluster::{Cluster, NODES},
    hurt::{Slow, Tracer},
    subject::Subject,
    writers::{KEYS, Key, STREAMS, Store},
};

const RESOURCES: &str = "/api/v1/infrastructure/resources";
/// The node's thread that syncs the log.
const SYNC_THREAD: &str = "sync";

impl Subject for Cluster {
    type Store = Reports;

    fn store(&self) -> Reports {
        Reports { clients: self.clients() }
    }

    async fn leader(&self) -> Result<(usize, u64)> {
        self.leading_most().await
    }

    fn pid(&self, node: usize) -> u32 {
        self.nodes[node].process.pid()
    }

    fn kill(&mut self, node: usize) -> Result<()> {
        self.nodes[node].process.kill()
    }

    /// A node that is stopped in order hands its leads over.
    async fn hand_over(&mut self, node: usize) -> Result<()> {
        self.nodes[node].process.stop().await
    }

    async fn mend(&mut self, node: usize) -> Result<()> {
        if self.nodes[node].process.has_ended()? {
            self.nodes[node].restart(&[])?;
        }
        self.nodes[node].ready().await?;
        self.formed().await
    }

    /// Attaches to the one thread that syncs the log: a node that starts with a slow disk is
    /// never level, and is given no leads.
    async fn slow_down(&mut self, node: usize, slow: &Slow) -> Result<Option<Tracer>> {
        slow.attach(self.pid(node), SYNC_THREAD).map(Some)
    }

    async fn seats(&self, hurt: usize) -> Result<Vec<Option<usize>>> {
        let shown = status(&self.nodes[(hurt + 1) % NODES].client()).await?;
        let nodes = shown["nodes"].as_array().context("the cluster shows no nodes")?;
        let place = |id: &Value| {
            let node = nodes.iter().find(|node| node["node_id"] == *id)?;
            (0..NODES).find(|n| node["name"] == name(*n).as_str())
        };
        let shards = shown["shards"].as_array().context("the cluster shows no shards")?;
        Ok(shards.iter().map(|shard| place(&shard["leader"])).collect())
    }

    async fn missed(&self) -> Result<u64> {
        let answer = self.clients()[0].coverage(None).await?;
        Ok(oracle::adds_up(&answer)?.missed_total())
    }
}

/// Clients of all nodes.
#[derive(Clone)]
pub(super) struct Reports {
    clients: Vec<Client>,
}

/// The resources that are written to.
pub(super) fn declarations() -> Vec<(String, Value)> {
    let keys = (0..STREAMS).flat_map(|stream| (0..KEYS).map(move |slot| Key { stream, slot }));
    let declaration = |key| {
        let body =
            json!({ "type": "SERVICE", "name": id(key), "check": { "push": { "ttl": "24h" } } });
        (id(key), body)
    };
    keys.map(declaration).collect()
}

impl Store for Reports {
    fn nodes(&self) -> usize {
        self.clients.len()
    }

    async fn write(&self, node: usize, key: Key, number: u64) -> Result<u64> {
        // The measurement differs each time, so that each report changes the row.
        let report = json!({ "outcome": "ok", "metrics": { "number": number } });
        let answer = self.clients[node].observe(&id(key), &report).await?.success()?;
        answer.json()["revision"].as_u64().context("a report was taken in without a revision")
    }

    async fn read(&self, node: usize, key: Key) -> Result<u64> {
        let path = format!("{RESOURCES}/{}?consistency=linearizable", id(key));
        let answer = self.clients[node].get(&path).await?.success()?;
        answer.json()["revision"].as_u64().context("a row without a revision")
    }
}

/// The id of a key: a stream's keys lie in the shard of its number.
fn id(key: Key) -> String {
    let Key { stream, slot } = key;
    let shards = u32::try_from(STREAMS).unwrap_or(u32::MAX);
    let ids = (0..u32::MAX).map(|salt| format!("bench:{stream}-{slot}-{salt}"));
    let shard = |id: &String| {
        id.parse::<ResourceId>().is_ok_and(|id| ShardId::of(&id, shards).0 as usize == stream)
    };
    ids.into_iter().find(shard).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_stream_lie_in_its_shard() {
        for (stream, slot) in [(0, 0), (7, 3), (15, 63)] {
            let id: ResourceId = id(Key { stream, slot }).parse().unwrap();
            assert_eq!(ShardId::of(&id, 16), ShardId(u32::try_from(stream).unwrap()));
        }
    }
}
