//! A node of a cluster: introduces itself, keeps the address book, and where it leads `meta`
//! keeps the replicas where they should be.

use std::time::Duration;

use net::{AddressBook, Dialer, Joined, Joining, LinkState, Myself, Outcome, ask_to_join};
use raft::{NodeFacts, Shards, placement::Policy};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{Network, host};

/// How long a node waits to be found, before it makes itself known.
const UNFOUND: Duration = Duration::from_secs(3);
/// Between two attempts to tell the cluster where this node is.
const AGAIN: Duration = Duration::from_millis(500);

/// What runs beside the groups of a member. Ends with its stop.
pub(in crate::run) struct Member {
    reconciling: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Member {
    /// Starts it.
    pub(in crate::run) fn start(
        (network, shards): (Option<&Network>, &Shards),
        (facts, joined, announcement): (NodeFacts, Option<&Joined>, Option<Joining>),
        stop: &CancellationToken,
    ) -> Self {
        let stop = stop.child_token();
        let describing = describe(shards.clone(), facts.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(describing));
        let reconciling = network.map(|network| {
            meet(network, shards, &facts.name, joined, &stop);
            if let Some(joining) = announcement {
                let announcing = announce(network.clone(), shards.clone(), joining);
                tokio::spawn(stop.clone().run_until_cancelled_owned(announcing));
            }
            // A node answers from its own replicas: it needs one of every shard.
            shards.reconcile(Policy { everywhere: true, ..Policy::default() })
        });
        Self { reconciling, stop }
    }

    /// Ends it, before the groups close.
    pub(in crate::run) fn stop(&self) {
        self.stop.cancel();
        if let Some(reconciling) = &self.reconciling {
            reconciling.abort();
        }
    }
}

fn meet(
    network: &Network,
    shards: &Shards,
    name: &str,
    joined: Option<&Joined>,
    stop: &CancellationToken,
) {
    let book = AddressBook::default();
    book.complete(joined.map(|joined| joined.members.clone()).unwrap_or_default());
    let myself = Myself {
        cluster: shards.cluster().clone(),
        node: shards.node_id(),
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    network.links.lend(host::host(shards, name));
    network.links.introduce(myself.clone());
    Dialer::start(&network.links, &network.credentials, &book, myself, network.seeds.clone());
    let keeping = keep(book, shards.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(keeping));
}

/// Copies what `meta` says into the address book. A replica that knows no nodes is one that was
/// just made.
async fn keep(book: AddressBook, shards: Shards) {
    let mut applied = shards.meta_applied();
    loop {
        applied.borrow_and_update();
        let members = host::members(&shards);
        if !members.is_empty() {
            book.replace(members);
        }
        if applied.changed().await.is_err() {
            return;
        }
    }
}

/// Tells configured peers where this node is, where nobody finds it: others dial the address that
/// they know. The request to join, repeated, says it, and finds out that the node was removed.
async fn announce(network: Network, shards: Shards, joining: Joining) {
    let mut told = String::new();
    loop {
        sleep(UNFOUND).await;
        let connected = |node| matches!(network.links.state(node), LinkState::Connected { .. });
        if shards.nodes().into_iter().any(|(node, _)| connected(node)) {
            continue;
        }
        for seed in &network.seeds {
            let answer = ask_to_join(&network.credentials, seed, joining.clone()).await;
            if let Ok(Outcome::Refused(why)) = answer
                && why != told
            {
                error!("the cluster does not know this node any more: {why}");
                told = why;
            }
        }
    }
}

/// Tells the cluster what this node is and where, until it knows.
async fn describe(shards: Shards, facts: NodeFacts) {
    loop {
        match shards.describe_self(facts.clone()).await {
            Ok(Ok(())) => return,
            Ok(Err(refusal)) => {
                error!("the cluster does not take this node as it is configured: {refusal}");
                return;
            }
            Err(why @ raft::ProposeError::DiskFull { .. }) => warn!("{why}"),
            Err(why) => debug!(%why, "the cluster does not know yet where this node is"),
        }
        sleep(AGAIN).await;
    }
}
