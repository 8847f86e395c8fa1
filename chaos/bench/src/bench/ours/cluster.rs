//! Three nodes of ours, each a process of its own, with certificates that the binary has made.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Client, Config, Method, binary,
    cluster::{is_formed, name, status},
    config::{Membership, Place},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::Ours;
use crate::plan::Plan;

/// How many there are.
pub(in super::super) const NODES: usize = 3;

/// How long a cluster may take until every group has three voters.
const FORMED: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
const DECLARE_AT_ONCE: usize = 32;
/// How long one declaration may take.
const DECLARED: Duration = Duration::from_secs(30);

/// See the module. All are killed, and their data go, when the value is dropped.
pub(in super::super) struct Cluster {
    /// `n1`, `n2` and `n3`.
    pub(in super::super) nodes: Vec<Ours>,
    /// Where the nodes listen for each other.
    pub(in super::super) peer_ports: Vec<u16>,
    /// Where the nodes serve gRPC.
    pub(in super::super) grpc: Vec<String>,
    _certificates: TempDir,
}

impl Cluster {
    /// Starts three fresh nodes, founds a cluster and waits until every group has three voters.
    pub(in super::super) async fn start(plan: &Plan, config: &Config) -> Result<Self> {
        let certificates = certificates(plan, &[&name(0), &name(1), &name(2)])?;
        let places: Vec<Place> = (0..NODES).map(|_| Place::loopback()).collect::<Result<_>>()?;
        let peers: Vec<_> = places.iter().map(|place| place.peer).collect();
        let mut nodes = Vec::with_capacity(NODES);
        for (n, place) in places.iter().enumerate() {
            let membership = Membership {
                name: name(n),
                zone: format!("z{}", n + 1),
                peer: place.peer,
                peers: peers.clone(),
                certificates: certificates.path().canonicalize()?,
            };
            let config = config.clone().grpc(place.grpc.port()).member(membership);
            nodes.push(Ours::launch(plan, &config, place.http.port())?);
        }
        let peer_ports = peers.iter().map(std::net::SocketAddr::port).collect();
        let grpc = places.iter().map(|place| format!("http://{}", place.grpc)).collect();
        let cluster = Self { nodes, peer_ports, grpc, _certificates: certificates };
        cluster.found().await?;
        cluster.formed().await?;
        Ok(cluster)
    }

    /// A client of each node.
    pub(in super::super) fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(Ours::client).collect()
    }

    /// The cluster as a node that answers shows it.
    pub(in super::super) async fn status(&self) -> Result<Value> {
        for client in self.clients() {
            if let Ok(shown) = status(&client.patient(Duration::from_secs(3))).await {
                return Ok(shown);
            }
        }
        anyhow::bail!("no node shows the cluster")
    }

    /// How many shards each node leads.
    pub(in super::super) async fn leads(&self) -> Result<Vec<u64>> {
        let shown = self.status().await?;
        let nodes = shown["nodes"].as_array().context("the cluster shows no nodes")?;
        let leads = |n| {
            let of = nodes.iter().find(|node| node["name"] == name(n).as_str());
            of.and_then(|node| node["leads"].as_u64()).unwrap_or(0)
        };
        Ok((0..NODES).map(leads).collect())
    }

    /// The node that leads most shards, and how many.
    pub(in super::super) async fn leading_most(&self) -> Result<(usize, u64)> {
        let leads = self.leads().await?.into_iter().enumerate();
        leads.max_by_key(|(_, leads)| *leads).context("there are no nodes")
    }

    /// Declares resources by their ids, over all nodes.
    pub(in super::super) async fn declare(&self, all: Vec<(String, Value)>) -> Result<()> {
        let (clients, all) = (self.clients(), Arc::new(all));
        let mut declaring = JoinSet::new();
        for first in 0..DECLARE_AT_ONCE {
            let (client, all) = (clients[first % NODES].clone(), Arc::clone(&all));
            declaring.spawn(async move {
                for (id, body) in all.iter().skip(first).step_by(DECLARE_AT_ONCE) {
                    put(&client, id, body).await.with_context(|| format!("declaring {id}"))?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(declared) = declaring.join_next().await {
            declared??;
        }
        Ok(())
    }

    /// Hands all leads of a node over, and keeps them away from it.
    pub(in super::super) async fn drain(&self, node: usize) -> Result<()> {
        let path = format!("/api/v1/cluster/nodes/{}/drain", name(node));
        self.nodes[0].client().send(Method::POST, &path, &[], None).await?.success()?;
        self.until("the node is drained", async || {
            ensure!(self.leads().await?[node] == 0, "{} leads", name(node));
            Ok(())
        })
        .await
    }

    /// Lets a drained node lead again.
    pub(in super::super) async fn resume(&self, node: usize) -> Result<()> {
        let path = format!("/api/v1/cluster/nodes/{}/resume", name(node));
        let asked = self.nodes[0].client().send(Method::POST, &path, &[], None).await?;
        asked.success().map(drop)
    }

    /// Processor time of all nodes so far, in seconds.
    pub(in super::super) fn cpu_seconds(&self) -> Result<f64> {
        self.nodes.iter().map(|node| Ok(node.process.cost()?.cpu_seconds)).sum()
    }

    /// Waits until every group has three voters and a leader, and nothing is to be moved.
    pub(in super::super) async fn formed(&self) -> Result<()> {
        self.until("all groups are where they belong", async || {
            for client in self.clients() {
                is_formed(&status(&client).await?, NODES)?;
                ensure!(client.is_ready().await, "a node is not ready");
            }
            Ok(())
        })
        .await
    }

    async fn found(&self) -> Result<()> {
        let client = self.nodes[0].client();
        self.until("the cluster is founded", async || {
            let asked = client.send(Method::POST, "/api/v1/cluster/init", &[], None).await?;
            // The answer to an attempt that founded it may have been lost.
            let founded = asked.status.as_u16() == 409 && client.is_ready().await;
            if founded { Ok(()) } else { asked.success().map(drop) }
        })
        .await
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        let began = Instant::now();
        loop {
            let Err(why) = is_so().await else { return Ok(()) };
            if began.elapsed() > FORMED {
                let log = self.nodes[0].log_tail();
                return Err(why.context(format!("not within {FORMED:?}: {what}; {log}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Declares a resource; again where it is refused because a lead is on its way.
async fn put(client: &Client, id: &str, body: &Value) -> Result<()> {
    let (path, began) = (format!("/api/v1/infrastructure/resources/{id}"), Instant::now());
    loop {
        let answer = client.send(Method::PUT, &path, &[], Some(body.to_string())).await?;
        if !answer.may_succeed_later() || began.elapsed() > DECLARED {
            return answer.success().map(drop);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Certificates of one authority, in a directory of their own: `ca.pem`, `NAME.pem`, `NAME.key`.
pub(in super::super) fn certificates(plan: &Plan, names: &[&str]) -> Result<TempDir> {
    let directory = plan.directory("certificates-")?;
    certify(&binary::path()?, directory.path(), names)?;
    Ok(directory)
}

fn certify(binary: &Path, directory: &Path, names: &[&str]) -> Result<()> {
    let mut command = Command::new(binary);
    let made = command.arg("certs").arg("--out").arg(directory).args(names).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}
