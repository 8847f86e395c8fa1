//! How this node takes part in a cluster of several: who it is to the others, how it becomes a
//! member, and what follows once it is one.

mod host;
mod join;
mod member;
mod waiting;

use std::{net::SocketAddr, time::Duration};

use net::{Credentials, Links, Listener, PeerMetrics};
use raft::{Joins, NodeFacts};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::RunError;
use crate::config::Config;
pub(super) use member::Member;
pub(super) use waiting::Waited;

/// How often the files of the certificate are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Whom this node can speak to, before it is a member of a cluster and after.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) links: Links,
    credentials: Credentials,
    seeds: Vec<String>,
    facts: NodeFacts,
}

impl Network {
    /// Reads the certificate and listens for other nodes; nothing where the configuration has
    /// none, because then there are no others.
    ///
    /// # Errors
    /// Names what cannot be used.
    pub(super) async fn open(
        config: &Config,
        metrics: &PeerMetrics,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, RunError> {
        let Some(files) = config.peers.tls.clone() else { return Ok(None) };
        let unusable = |why: String| RunError::Configuration(why);
        let credentials = Credentials::load(files).map_err(|e| unusable(e.to_string()))?;
        let (names, name) = (credentials.names(), &config.node.name);
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(unusable(format!(
                "the certificate of tls.cert_file is for {}, node.name is {name}; make one for \
                 this node: bellwether certs --out DIR {name}",
                names.join(", ")
            )));
        }
        let listener = Listener::bind(config.listen.peer).await?;
        let facts = facts(config, listener.address());
        let links = Links::new(metrics.clone(), stop.clone());
        listener.serve(&links, credentials.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_fresh(credentials.clone())));
        Ok(Some(Self { links, credentials, seeds: config.peers.addresses.clone(), facts }))
    }

    /// What a member tells those that look for it elsewhere.
    pub(super) fn announcement(&self, config: &Config) -> Option<net::Joining> {
        join::announcement(self, config)
    }

    /// What this node says of itself.
    pub(super) fn facts(&self) -> NodeFacts {
        self.facts.clone()
    }

    /// What a fresh directory becomes: waits until a cluster is founded here or lets this node
    /// in. Nothing to wait for where the directory belongs to a member, or where there are no
    /// peers: then a cluster is founded at once.
    ///
    /// # Errors
    /// The node cannot become a member as it is configured.
    pub(super) async fn settle(
        &self,
        config: &Config,
        http: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<Waited, RunError> {
        if self.seeds.is_empty() || !raft::is_fresh(&config.node.data_dir) {
            return Ok(Waited::Nothing);
        }
        waiting::wait(self, config, http, stop).await
    }
}

fn facts(config: &Config, listening: SocketAddr) -> NodeFacts {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let http = config.listen.http;
    let api = if http.ip().is_unspecified() { String::new() } else { format!("http://{http}") };
    NodeFacts {
        name: config.node.name.clone(),
        region: text(&config.node.region),
        zone: text(&config.node.zone),
        address: config.listen.advertise.clone().unwrap_or_else(|| listening.to_string()),
        api,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What a node says of itself that is alone.
pub(super) fn facts_alone(config: &Config) -> NodeFacts {
    NodeFacts { address: String::new(), ..facts(config, config.listen.peer) }
}

/// Puts a renewed certificate in force.
async fn keep_fresh(credentials: Credentials) {
    let mut told = String::new();
    loop {
        sleep(LOOK).await;
        match credentials.reload() {
            Ok(true) => {
                info!("the certificate for other nodes was renewed");
                told.clear();
            }
            Ok(false) => told.clear(),
            Err(why) if why.to_string() != told => {
                error!("the certificate for other nodes is not renewed: {why}");
                told = why.to_string();
            }
            Err(_) => {}
        }
    }
}

/// What a node that joins is opened with.
pub(super) fn joins(joined: &net::Joined) -> Joins {
    Joins { cluster: joined.cluster.clone(), node: joined.node }
}
