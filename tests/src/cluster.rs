//! Several nodes on this machine, with certificates that the binary itself has made.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Client, Config, Node, binary,
    config::{Membership, Place},
    eventually,
    oracle::EventFile,
};

/// How long a cluster may take until every shard has three voters.
const FORMED: Duration = Duration::from_secs(90);

/// See the module. Its nodes end with it.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, in the order of their names.
    pub nodes: Vec<Node>,
    places: Vec<Place>,
    certificates: TempDir,
    config: Config,
    binary: PathBuf,
}

impl Cluster {
    /// Nodes `n1`, `n2` and so on with certificates of one authority, none of them started.
    ///
    /// # Errors
    /// Where there is no binary, directory or port to be had.
    pub fn prepare(count: usize, config: &Config) -> Result<Self> {
        let places = (0..count).map(|_| Place::loopback()).collect::<Result<_>>()?;
        Self::prepare_at(places, config, binary::path()?)
    }

    /// The same where the caller says, with another build of the binary.
    ///
    /// # Errors
    /// As [`Cluster::prepare`].
    pub fn prepare_at(places: Vec<Place>, config: &Config, binary: PathBuf) -> Result<Self> {
        let certificates = tempfile::Builder::new().prefix("bellwether-").tempdir()?;
        let config = config.clone();
        let mut cluster = Self { nodes: Vec::new(), places, certificates, config, binary };
        for n in 0..cluster.places.len() {
            let node = cluster.node(n)?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// A node that has no others and is founded by its first start.
    ///
    /// # Errors
    /// As [`Cluster::prepare`].
    pub fn alone(config: &Config, binary: PathBuf) -> Result<Self> {
        let certificates = tempfile::Builder::new().prefix("bellwether-").tempdir()?;
        let nodes = vec![Node::prepare_of(config, binary.clone())?];
        Ok(Self { nodes, places: Vec::new(), certificates, config: config.clone(), binary })
    }

    /// Writes another configuration for all nodes.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn configure(&mut self, config: &Config) -> Result<()> {
        self.config = config.clone();
        (0..self.nodes.len()).try_for_each(|n| self.nodes[n].configure(&self.config_of(n)))
    }

    /// The same, started, founded, and with every group on three of them.
    ///
    /// # Errors
    /// Shows the end of a node's log where it does not come up.
    pub async fn start(count: usize, config: &Config) -> Result<Self> {
        let mut cluster = Self::prepare(count, config)?;
        for node in &mut cluster.nodes {
            node.start_process()?;
        }
        cluster.found().await?;
        cluster.formed().await?;
        Ok(cluster)
    }

    /// One more node, which knows the others; not started.
    ///
    /// # Errors
    /// As [`Cluster::prepare`].
    pub fn add(&mut self) -> Result<&mut Node> {
        self.add_at(Place::loopback()?)
    }

    /// The same where the caller says.
    ///
    /// # Errors
    /// As [`Cluster::prepare`].
    pub fn add_at(&mut self, place: Place) -> Result<&mut Node> {
        self.places.push(place);
        let node = self.node(self.nodes.len())?;
        self.nodes.push(node);
        self.nodes.last_mut().context("it was just put in")
    }

    fn node(&self, n: usize) -> Result<Node> {
        let (place, config) = (self.places[n], self.config_of(n));
        let node = Node::prepare_at(place.http, &config, self.binary.clone())?;
        self.certify(&node, &name(n))?;
        Ok(node)
    }

    fn config_of(&self, n: usize) -> Config {
        let config = self.config.clone();
        match self.places.get(n) {
            None => config,
            Some(place) => config.grpc(place.grpc.port()).member(self.membership(n, &name(n))),
        }
    }

    /// What makes a node one of this cluster.
    #[must_use]
    pub fn membership(&self, n: usize, name: &str) -> Membership {
        Membership {
            name: name.to_owned(),
            zone: format!("z{}", n + 1),
            peer: self.places[n].peer,
            peers: self.peers(),
            certificates: self.certificates.path().to_owned(),
        }
    }

    fn peers(&self) -> Vec<SocketAddr> {
        self.places.iter().map(|place| place.peer).collect()
    }

    fn certify(&self, node: &Node, name: &str) -> Result<()> {
        let mut certs = node.command();
        let made = certs.arg("certs").arg("--out").arg(self.certificates.path()).arg(name);
        let made = made.output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }

    /// Founds it at the first node, as soon as the others answer.
    ///
    /// # Errors
    /// Says what was answered last.
    pub async fn found(&self) -> Result<()> {
        let first = &self.nodes[0];
        eventually("the cluster is founded", FORMED, async || {
            let init = first.cli(&["cluster", "init"])?;
            ensure!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
            Ok(())
        })
        .await
    }

    /// Waits until every group has three voters and a leader, all nodes answer, and nothing is to
    /// be moved.
    ///
    /// # Errors
    /// Shows the cluster where it does not come to that.
    pub async fn formed(&self) -> Result<()> {
        self.formed_of(self.nodes.len().min(3)).await
    }

    /// The same with so many voters.
    ///
    /// # Errors
    /// As [`Cluster::formed`].
    pub async fn formed_of(&self, voters: usize) -> Result<()> {
        eventually("all groups are where they belong", FORMED, async || {
            for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
                let shown = status(&node.client()).await?;
                is_formed(&shown, voters)?;
                ensure!(node.client().is_ready().await, "a node is not ready");
            }
            Ok(())
        })
        .await
    }

    /// A client of each node.
    #[must_use]
    pub fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(Node::client).collect()
    }

    /// Where a node serves gRPC.
    #[must_use]
    pub fn grpc(&self, n: usize) -> String {
        format!("http://{}", self.places[n].grpc)
    }

    /// What the event files of all nodes tell together, and how many events are in several.
    ///
    /// # Errors
    /// Where a file is torn, or two of them differ.
    pub fn events(&self) -> Result<(EventFile, usize)> {
        let files = self.nodes.iter().map(|node| EventFile::read(&node.events_file()));
        EventFile::merge(&files.collect::<Result<Vec<_>>>()?)
    }

    /// The node that leads most shards, as one of them sees it, by its place.
    ///
    /// # Errors
    /// Where nobody leads.
    pub async fn leading_most(&self) -> Result<usize> {
        let shown = status(&self.nodes[0].client()).await?;
        let nodes = shown["nodes"].as_array().context("no nodes")?;
        let most = nodes.iter().max_by_key(|node| node["leads"].as_u64()).context("no node")?;
        let name = most["name"].as_str().unwrap_or_default();
        let place = name.strip_prefix('n').and_then(|n| n.parse::<usize>().ok());
        place.map(|n| n - 1).with_context(|| format!("an unknown node leads: {most}"))
    }
}

/// What a node is called, by its place.
#[must_use]
pub fn name(n: usize) -> String {
    format!("n{}", n + 1)
}

/// The cluster as a node shows it.
///
/// # Errors
/// Where it does not.
pub async fn status(client: &Client) -> Result<Value> {
    Ok(client.get("/api/v1/cluster").await?.success()?.json())
}

/// Whether every group of the cluster as it is shown has so many voters and a leader, all nodes
/// answer, and nothing is to be moved.
///
/// # Errors
/// Shows the first thing that is otherwise.
pub fn is_formed(shown: &Value, voters: usize) -> Result<()> {
    let shards = shown["shards"].as_array().context("no shards")?;
    for group in shards.iter().chain([&shown["meta"]]) {
        let has = group["voters"].as_array().map_or(0, Vec::len);
        ensure!(has == voters && !group["leader"].is_null(), "{group}");
    }
    let nodes = shown["nodes"].as_array().context("no nodes")?;
    for node in nodes {
        ensure!(node["error"].is_null(), "{node}");
    }
    ensure!(shown["moves"] == Value::Array(Vec::new()), "{}", shown["moves"]);
    Ok(())
}
