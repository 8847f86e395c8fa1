//! Who the nodes of the cluster are, and what each of them does.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use harness::{
    Answer,
    cluster::{name, status},
    eventually,
};
use rand::{RngExt, seq::IteratorRandom};
use serde_json::Value;

use super::Arena;

/// How long a change of the members may take until somebody has taken it.
const TAKEN: Duration = Duration::from_secs(30);

impl Arena {
    /// The cluster, as the first node shows it that answers.
    ///
    /// # Errors
    /// Where none does.
    pub(crate) async fn cluster_shown(&self) -> Result<Value> {
        self.cluster_shown_by(&self.running()).await
    }

    /// The same of these.
    ///
    /// # Errors
    /// As [`Arena::cluster_shown`].
    pub(crate) async fn cluster_shown_by(&self, nodes: &[usize]) -> Result<Value> {
        let mut last = None;
        for client in nodes.iter().map(|n| self.nodes()[*n].client()) {
            match status(&client.patient(Duration::from_secs(3))).await {
                Ok(shown) => return Ok(shown),
                Err(why) => last = Some(why),
            }
        }
        Err(last.context("no node is running")?)
    }

    /// The nodes that run and are not spared, from the one that leads most shards to the one that
    /// leads fewest.
    ///
    /// # Errors
    /// Where the cluster is not shown.
    pub async fn by_leads(&self) -> Result<Vec<usize>> {
        let shown = self.cluster_shown().await?;
        let leads = |n: &usize| member(&shown, &name(*n)).and_then(|node| node["leads"].as_u64());
        let mut places = self.running();
        places.retain(|n| Some(*n) != self.spared);
        places.sort_by_key(|n| (std::cmp::Reverse(leads(n)), *n));
        Ok(places)
    }

    /// How many shards a node leads, as the others know.
    ///
    /// # Errors
    /// Where the cluster is not shown, or it is no member.
    pub async fn leads_of(&self, n: usize) -> Result<u64> {
        if self.nodes().len() == 1 {
            return Ok(0);
        }
        let shown = self.cluster_shown().await?;
        let leads = member(&shown, &name(n)).and_then(|node| node["leads"].as_u64());
        leads.with_context(|| format!("{} is no member: {shown}", name(n)))
    }

    /// The places of the nodes that run.
    #[must_use]
    pub fn running(&self) -> Vec<usize> {
        (0..self.nodes().len()).filter(|n| self.nodes()[*n].pid().is_some()).collect()
    }

    /// One of the nodes that run and are not spared, other than these.
    ///
    /// # Errors
    /// Where there is none.
    pub fn any_but(&mut self, others: &[usize]) -> Result<usize> {
        let mut running = self.running();
        running.retain(|n| !others.contains(n) && Some(*n) != self.spared);
        running.into_iter().choose(self.random()).context("no other node runs")
    }

    /// The node that is hurt: of several, the one that leads most as often as any other.
    ///
    /// # Errors
    /// Where the cluster is not shown.
    pub async fn victim(&mut self) -> Result<usize> {
        if self.nodes().len() == 1 {
            return Ok(0);
        }
        let most = self.by_leads().await?[0];
        if self.random().random_bool(0.5) { Ok(most) } else { self.any_but(&[most]) }
    }

    /// Waits until every group of several nodes has its three voters, all of them answer, and
    /// nothing is to move.
    ///
    /// # Errors
    /// Shows the cluster where it does not come to that.
    pub async fn whole(&mut self) -> Result<()> {
        if self.nodes().len() == 1 {
            return Ok(());
        }
        self.cluster.formed_of(3).await
    }

    /// The id of the member of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn id_of(&self, n: usize) -> Result<u64> {
        let shown = self.cluster_shown().await?;
        let id = member(&shown, &name(n)).and_then(|node| node["node_id"].as_u64());
        id.with_context(|| format!("{} is no member: {shown}", name(n)))
    }

    /// Asks one node after another to change a member, until one has done so.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn change(&mut self, n: usize, how: Change) -> Result<()> {
        let path = format!("/api/v1/cluster/nodes/{}{}", name(n), how.path());
        self.fault(format!("{how:?} {}", name(n)));
        let clients = self.clients_of_all();
        eventually("a member is changed", TAKEN, async || {
            let mut last = None;
            for client in &clients {
                match client.send(how.method(), &path, &[], None).await.and_then(Answer::success) {
                    Ok(_) => return Ok(()),
                    Err(why) => last = Some(why),
                }
            }
            Err(last.context("no node is running")?)
        })
        .await
    }

    /// Throws away all that a node has on its disk, except what it had told the outside.
    ///
    /// # Errors
    /// Where it still runs.
    pub fn lose_disk(&mut self, n: usize) -> Result<()> {
        let node = &self.cluster.nodes[n];
        ensure!(node.pid().is_none(), "{} still runs", name(n));
        let life = format!("{}-life-{}", name(n), self.kept.len() + 1);
        let kept = node.dir().join(format!("{life}.jsonl"));
        if node.events_file().exists() {
            fs::rename(node.events_file(), &kept)?;
            self.kept.push((life, kept));
        }
        let disk = self.cluster.nodes[n].disk();
        fs::remove_dir_all(&disk).and_then(|()| fs::create_dir(&disk))?;
        Ok(())
    }

    /// One more node, which is not started.
    ///
    /// # Errors
    /// Where there is no directory or port to be had.
    pub fn add_node(&mut self) -> Result<usize> {
        let launcher = self.node().launcher().clone();
        let node = self.cluster.add()?;
        node.keep_quiet();
        node.launcher().clone_from(&launcher);
        let client = node.client();
        if let Some(clients) = &self.clients {
            clients.join(client);
        }
        Ok(self.nodes().len() - 1)
    }
}

/// A change of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Moves its leads and replicas to others.
    Drain,
    /// Ends that.
    Resume,
    /// Takes it out for good.
    Remove,
}

impl Change {
    fn path(self) -> &'static str {
        match self {
            Self::Drain => "/drain",
            Self::Resume => "/resume",
            Self::Remove => "",
        }
    }

    fn method(self) -> harness::Method {
        match self {
            Self::Drain | Self::Resume => harness::Method::POST,
            Self::Remove => harness::Method::DELETE,
        }
    }
}

/// The member of this name that has not left.
pub(crate) fn member<'a>(shown: &'a Value, name: &str) -> Option<&'a Value> {
    let nodes = shown["nodes"].as_array().into_iter().flatten();
    nodes.filter(|node| node["standing"] != "removed").find(|node| node["name"] == name)
}

/// All groups, by name.
pub(crate) fn groups(shown: &Value) -> impl Iterator<Item = (String, &Value)> {
    let shards = shown["shards"].as_array().into_iter().flatten();
    let named = shards.map(|group| (format!("shard {}", group["shard"]), group));
    named.chain([("meta".to_owned(), &shown["meta"])])
}

/// The terms of all groups of which they are known.
pub(crate) fn terms(shown: &Value) -> BTreeMap<String, u64> {
    groups(shown).filter_map(|(name, group)| Some((name, term(group)?))).collect()
}

/// The term of a group, where somebody of it has answered.
pub(crate) fn term(group: &Value) -> Option<u64> {
    group["term"].as_u64().filter(|term| *term > 0)
}
