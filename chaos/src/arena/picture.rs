//! What the nodes show: their rows, and whether these agree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use harness::{Client, cluster::name};
use serde_json::Value;

use super::Arena;
use crate::{
    history::{Moment, Replica, Row},
    workload::version,
};

/// All rows as they are shown at one time.
#[derive(Debug)]
pub(super) struct Picture {
    /// When they were asked for.
    pub(super) asked: Moment,
    /// When they were there.
    pub(super) answered: Moment,
    /// What is shown to who wants it linearizable.
    pub(super) rows: Vec<Row>,
    /// What each of several nodes has.
    pub(super) replicas: Vec<Replica>,
}

impl Arena {
    pub(super) async fn picture(&self) -> Result<Picture> {
        let asked = self.now();
        let rows = rows_of_any(&self.clients_of_all()).await?;
        let answered = self.now();
        let replicas = if self.nodes().len() > 1 { self.replicas().await? } else { Vec::new() };
        Ok(Picture { asked, answered, rows, replicas })
    }

    /// What a node shows otherwise than the others do, or why it does not answer.
    ///
    /// # Errors
    /// Where the others do not answer.
    pub(super) async fn differences_of(&self, n: usize) -> Result<Result<Vec<String>, String>> {
        let others = self.running().into_iter().filter(|other| *other != n);
        let others: Vec<Client> = others.map(|other| self.nodes()[other].client()).collect();
        let all = rows_of_any(&others).await?;
        let shards = shards_of(&self.cluster_shown().await?, &name(n));
        let own = match rows(&self.nodes()[n].client(), "&consistency=stale").await {
            Ok(own) => own,
            Err(refusal) => return Ok(Err(format!("{refusal:#}"))),
        };
        let held = |row: &&Row| shards.contains(&row.shard);
        let (all, own): (Vec<&Row>, Vec<&Row>) =
            (all.iter().filter(held).collect(), own.iter().filter(held).collect());
        let missing = all.iter().filter(|row| !own.contains(row));
        let wrong = own.iter().filter(|row| !all.contains(row));
        let told = missing.map(|row| format!("it lacks {row:?}"));
        Ok(Ok(told.chain(wrong.map(|row| format!("it shows {row:?}"))).collect()))
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        let shown = self.cluster_shown().await?;
        let mut replicas = Vec::new();
        for (n, node) in self.nodes().iter().enumerate().filter(|(_, node)| node.pid().is_some()) {
            let rows = rows(&node.client(), "&consistency=stale").await?;
            replicas.push(Replica { node: name(n), shards: shards_of(&shown, &name(n)), rows });
        }
        Ok(replicas)
    }
}

/// The shards in which a node of this name votes.
fn shards_of(shown: &Value, name: &str) -> BTreeSet<u64> {
    let list = |key: &str| shown[key].as_array().into_iter().flatten();
    let here = |node: &&Value| node["name"] == name && node["standing"] != "removed";
    let Some(id) = list("nodes").find(here).map(|node| &node["node_id"]) else {
        return BTreeSet::new();
    };
    let votes = |shard: &&Value| shard["voters"].as_array().is_some_and(|all| all.contains(id));
    list("shards").filter(votes).filter_map(|shard| shard["shard"].as_u64()).collect()
}

impl Picture {
    /// Whether it is that of the targets, and all nodes show the same.
    pub(super) fn agrees(&self, truth: &BTreeMap<String, bool>) -> bool {
        let shown: BTreeMap<&str, &Row> =
            self.rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let word = |up: &bool| if *up { "HEALTHY" } else { "CRITICAL" };
        let right = |(id, up): (&String, &bool)| {
            shown.get(id.as_str()).is_some_and(|row| row.health == word(up))
        };
        let same = |replica: &Replica| {
            let held = |row: &&Row| replica.shards.contains(&row.shard);
            let all = self.rows.iter().filter(held);
            all.eq(replica.rows.iter().filter(held))
        };
        truth.iter().all(right) && self.replicas.iter().all(same)
    }
}

/// All rows, as the first node shows them that answers.
async fn rows_of_any(clients: &[Client]) -> Result<Vec<Row>> {
    let mut last = None;
    for client in clients {
        match rows(client, "").await {
            Ok(rows) => return Ok(rows),
            Err(why) => last = Some(why),
        }
    }
    match last {
        Some(why) => Err(why),
        None => bail!("no node is running"),
    }
}

/// All rows, as this node shows them; `how` is more of the query.
pub(super) async fn rows(client: &Client, how: &str) -> Result<Vec<Row>> {
    client.list(&format!("limit=5000{how}")).await?.iter().map(row).collect()
}

fn row(value: &Value) -> Result<Row> {
    let text = |name: &str| {
        value[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {value}"))
    };
    Ok(Row {
        id: text("resource_id")?,
        incarnation: text("incarnation")?,
        sequence: value["sequence"].as_u64().context("no sequence")?,
        health: text("health_status")?,
        reason: text("reason")?,
        version: version(value),
        shard: value["shard"].as_u64().context("no shard")?,
        since: text("health_since")?,
    })
}
