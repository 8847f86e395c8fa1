//! A node with peers and an empty data directory: it asks them to be let in, until one of them
//! does, or until somebody has it found the cluster.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use api::{Founded, WaitingHooks, serve_waiting};
use futures_util::future::{FutureExt, join_all, ready};
use net::{DialError, Host, Joined, Outcome, Standing, ask_standing, ask_to_join};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Network, RunError, join::request};
use crate::config::Config;

/// Between two rounds of asking.
const AGAIN: Duration = Duration::from_secs(1);

/// How the waiting has ended.
pub(in crate::run) enum Waited {
    /// There was nothing to wait for: the directory is a member's, or this node founds.
    Nothing,
    /// The cluster has let this node in.
    Joined(Joined),
    /// The node was told to stop.
    Stopped,
}

/// What is known while waiting.
struct Waiting {
    name: String,
    cluster: String,
    shards: u32,
    seeds: Vec<String>,
    founding: AtomicBool,
    /// What the peers said last.
    said: Mutex<String>,
    founded: Mutex<Option<oneshot::Sender<()>>>,
}

pub(super) async fn wait(
    network: &Network,
    config: &Config,
    http: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<Waited, RunError> {
    let (founded, told) = oneshot::channel();
    let waiting = Arc::new(Waiting {
        name: config.node.name.clone(),
        cluster: config.cluster.name.clone(),
        shards: config.cluster.shards,
        seeds: network.seeds.clone(),
        founding: AtomicBool::new(false),
        said: Mutex::new("none of them has answered yet".to_owned()),
        founded: Mutex::new(Some(founded)),
    });
    network.links.lend(waiting.host());
    let (hooks, ended) = (waiting.hooks(network), CancellationToken::new());
    let api = tokio::spawn(serve_waiting(http, hooks, ended.clone()));
    waiting.greet(config);
    let waited = tokio::select! {
        // Who was let in does not found.
        biased;
        joined = waiting.join(network, config) => joined.map(Waited::Joined),
        _ = told => Ok(Waited::Nothing),
        () = stop => Ok(Waited::Stopped),
    };
    ended.cancel();
    // What was asked is answered; the listener's own trouble ends with it.
    let _ = api.await;
    waited
}

impl Waiting {
    fn greet(&self, config: &Config) {
        info!(
            peers = self.seeds.join(", "),
            "waiting to join cluster {:?}; to found it with this node as its first: \
             bellwether --server http://{} cluster init",
            self.cluster,
            config.listen.http
        );
    }

    /// To others this node is one that waits, too.
    fn host(self: &Arc<Self>) -> Host {
        let waiting = Arc::clone(self);
        let refusal = || "it is no member of a cluster yet".to_owned();
        Host {
            name: self.name.clone(),
            answer: Arc::new(move |_, _| ready(Err(refusal())).boxed()),
            admit: Arc::new(move |_, _| Err(refusal())),
            join: Arc::new(|_| ready(Outcome::Waiting).boxed()),
            standing: Arc::new(move || Standing::Waiting {
                founding: waiting.founding.load(Ordering::SeqCst),
            }),
        }
    }

    fn hooks(self: &Arc<Self>, network: &Network) -> WaitingHooks {
        let (telling, founding) = (Arc::clone(self), Arc::clone(self));
        let credentials = network.credentials.clone();
        WaitingHooks {
            reason: Arc::new(move || telling.reason()),
            found: Arc::new(move |alone| {
                let (waiting, credentials) = (Arc::clone(&founding), credentials.clone());
                async move { waiting.found(&credentials, alone).await }.boxed()
            }),
        }
    }

    fn reason(&self) -> String {
        format!(
            "node {} waits to join cluster {:?} through {}: {}; if the cluster is not founded \
             yet, found it at one of its nodes: bellwether cluster init",
            self.name,
            self.cluster,
            self.seeds.join(", "),
            self.said.lock().unwrap_or_else(PoisonError::into_inner)
        )
    }

    /// Founds, unless a peer knows of a cluster or founds one itself. This node says that it
    /// founds before it asks: of two that do so at once, both see it and neither goes on.
    async fn found(&self, credentials: &net::Credentials, alone: bool) -> Result<Founded, String> {
        if self.founding.swap(true, Ordering::SeqCst) {
            return Err("this node founds the cluster at this moment".to_owned());
        }
        let checked = self.nobody_else(credentials, alone).await;
        let sent = checked.and_then(|silent_peers| {
            let told = self
                .founded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .and_then(|told| told.send(()).ok());
            told.map(|()| silent_peers).ok_or_else(|| "this node is joining already".to_owned())
        });
        let silent_peers = sent.inspect_err(|_| self.founding.store(false, Ordering::SeqCst))?;
        let (name, node) = (self.cluster.clone(), self.name.clone());
        Ok(Founded { name, node, shards: self.shards, silent_peers })
    }

    /// The peers that do not answer, once those that do know of no cluster.
    async fn nobody_else(
        &self,
        credentials: &net::Credentials,
        alone: bool,
    ) -> Result<Vec<String>, String> {
        let asked = self
            .seeds
            .iter()
            .map(|seed| async move { (seed.clone(), ask_standing(credentials, seed).await) });
        let mut silent = Vec::new();
        for (seed, answer) in join_all(asked).await {
            match answer {
                Ok((_, Standing::Waiting { founding: false })) => {}
                // That is this node itself.
                Ok((name, Standing::Waiting { .. })) if name.eq_ignore_ascii_case(&self.name) => {}
                Ok((name, Standing::Waiting { founding: true })) => {
                    return Err(format!(
                        "{name} at {seed} founds a cluster at this moment; if that fails, try again"
                    ));
                }
                Ok((name, Standing::Member(there))) => {
                    return Err(format!(
                        "{name} at {seed} is a node of cluster {:?} ({}) already; this node joins \
                         it by itself",
                        there.cluster.name, there.cluster.id
                    ));
                }
                Err(error) => silent.push(error.to_string()),
            }
        }
        if silent.is_empty() || alone {
            return Ok(silent);
        }
        Err(format!(
            "{} of {} peers do not answer, and may know of a cluster: {}; start them, or found \
             without them: bellwether cluster init --alone",
            silent.len(),
            self.seeds.len(),
            silent.join("; ")
        ))
    }

    /// Asks one peer after another until one lets this node in.
    async fn join(&self, network: &Network, config: &Config) -> Result<Joined, RunError> {
        let request = request(network, config)?;
        let mut told = String::new();
        loop {
            let mut said = Vec::new();
            for seed in &self.seeds {
                match ask_to_join(&network.credentials, seed, request.clone()).await {
                    Ok(Outcome::Joined(joined)) => return fitting(joined, config),
                    answered => said.extend(words(seed, answered)),
                }
            }
            let said = said.join("; ");
            if said != told {
                warn!("not let in yet: {said}");
                told.clone_from(&said);
            }
            *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
            sleep(AGAIN).await;
        }
    }
}

/// What a peer said, for people.
fn words(seed: &str, answered: Result<Outcome, DialError>) -> Option<String> {
    match answered {
        Ok(Outcome::Joined(_)) => None,
        Ok(Outcome::Waiting) => Some(format!("{seed} waits, too")),
        Ok(Outcome::Later(why)) => Some(format!("{seed}: {why}")),
        Ok(Outcome::Refused(why)) => Some(format!("{seed} refuses: {why}")),
        Err(error) => Some(error.to_string()),
    }
}

/// A cluster's number of shards is fixed: a node that says another was configured for another
/// cluster.
fn fitting(joined: Joined, config: &Config) -> Result<Joined, RunError> {
    let (there, here) = (joined.shards, config.cluster.shards);
    if there == here {
        return Ok(joined);
    }
    Err(RunError::Configuration(format!(
        "cluster {:?} has {there} shards, the configuration says {here}; set cluster.shards to \
         {there}",
        joined.cluster.name
    )))
}
