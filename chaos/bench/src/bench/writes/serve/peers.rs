//! One of three servers: the node's own network between them, mutual TLS included.
//!
//! The first founds a cluster, the others ask it to let them in, as nodes do; placement makes
//! every group one of three voters and spreads the leads.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use futures_util::FutureExt;
use net::{
    AddressBook, Credentials, Dialer, Host, Joined, Joining, Links, Listener, Member, Myself,
    Outcome, PeerMetrics, Standing, TlsFiles, ask_to_join,
};
use raft::{Joins, NodeFacts, Options, Shards, placement::Policy};
use tokio_util::sync::CancellationToken;

/// Between two attempts to join, or to say where this server is.
const AGAIN: Duration = Duration::from_millis(100);
const CLUSTER: &str = "bench";

/// How a server takes part.
#[derive(Debug, Clone, clap::Args)]
pub struct Membership {
    /// This server's name, where there are several
    #[arg(long, requires_all = ["peer", "certificates"])]
    name: Option<String>,
    /// Where it listens for the others
    #[arg(long)]
    peer: Option<std::net::SocketAddr>,
    /// Where the founder listens; this one founds where absent
    #[arg(long)]
    joins: Option<String>,
    /// The directory of ca.pem, NAME.pem and NAME.key
    #[arg(long)]
    certificates: Option<PathBuf>,
}

impl Membership {
    /// Whether this server founds the cluster.
    pub(super) fn founds(&self) -> bool {
        self.joins.is_none()
    }
}

/// A server's way to the others.
pub(super) struct Network {
    links: Links,
    credentials: Credentials,
    facts: NodeFacts,
    joined: Option<Joined>,
}

impl Network {
    /// Listens, and joins where it is not the founder. None for a server that is alone.
    pub(super) async fn open(membership: &Membership) -> Result<Option<Self>> {
        let Membership { name: Some(name), peer: Some(peer), certificates: Some(from), .. } =
            membership
        else {
            return Ok(None);
        };
        let file = |ending: &str| from.join(format!("{name}.{ending}"));
        let files = TlsFiles { ca: from.join("ca.pem"), cert: file("pem"), key: file("key") };
        let credentials = Credentials::load(files)?;
        let links = Links::new(PeerMetrics::default(), CancellationToken::new());
        Listener::bind(*peer).await?.serve(&links, credentials.clone());
        let facts = NodeFacts {
            name: name.clone(),
            zone: name.clone(),
            address: peer.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..NodeFacts::default()
        };
        let joined = match &membership.joins {
            Some(founder) => Some(join(&credentials, founder, &facts).await?),
            None => None,
        };
        Ok(Some(Self { links, credentials, facts, joined }))
    }

    /// How the shards are opened.
    pub(super) fn options(&self, alone: Options) -> Options {
        Options {
            transport: Arc::new(self.links.clone()),
            alone: false,
            joins: self
                .joined
                .as_ref()
                .map(|joined| Joins { cluster: joined.cluster.clone(), node: joined.node }),
            ..alone
        }
    }

    /// Meets the others.
    pub(super) fn meet(self, shards: &Shards) {
        let book = AddressBook::default();
        book.complete(self.joined.map(|joined| joined.members).unwrap_or_default());
        let myself = Myself {
            cluster: shards.cluster().clone(),
            node: shards.node_id(),
            name: self.facts.name.clone(),
            version: self.facts.version.clone(),
        };
        self.links.lend(host(shards, &self.facts.name));
        self.links.introduce(myself.clone());
        Dialer::start(&self.links, &self.credentials, &book, myself, Vec::new());
        tokio::spawn(keep(book, shards.clone()));
        tokio::spawn(describe(shards.clone(), self.facts));
        shards.reconcile(Policy { everywhere: true, ..Policy::default() });
    }
}

async fn join(credentials: &Credentials, founder: &str, facts: &NodeFacts) -> Result<Joined> {
    // Any key will do that no other has: a server never starts twice.
    let key = format!("00000000-0000-4000-8000-{:012x}", std::process::id());
    let joining = Joining { key, cluster_name: CLUSTER.to_owned(), facts: facts.clone() };
    loop {
        match ask_to_join(credentials, founder, joining.clone()).await {
            Ok(Outcome::Joined(joined)) => return Ok(joined),
            Ok(Outcome::Refused(why)) => bail!("{founder} refuses: {why}"),
            // It may not listen yet.
            Ok(Outcome::Waiting | Outcome::Later(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

fn host(shards: &Shards, name: &str) -> Host {
    let (answering, joining, standing) = (shards.clone(), shards.clone(), shards.clone());
    Host {
        name: name.to_owned(),
        answer: Arc::new(move |group, body| {
            let shards = answering.clone();
            async move { shards.answer_peer(group, &body).await }.boxed()
        }),
        admit: Arc::new(|_, _| Ok(())),
        join: Arc::new(move |request| {
            let shards = joining.clone();
            async move {
                match shards.admit_node(request.key, request.facts).await {
                    Ok(Ok(node)) => Outcome::Joined(membership(&shards, node)),
                    Ok(Err(refusal)) => Outcome::Refused(refusal.to_string()),
                    Err(error) => Outcome::Later(error.to_string()),
                }
            }
            .boxed()
        }),
        standing: Arc::new(move || Standing::Member(membership(&standing, standing.node_id()))),
    }
}

fn membership(shards: &Shards, node: model::NodeId) -> Joined {
    let (cluster, members) = (shards.cluster().clone(), members(shards));
    Joined { cluster, shards: shards.shard_count(), node, members }
}

fn members(shards: &Shards) -> Vec<Member> {
    let known = shards.nodes().into_iter();
    let member = |(node, record): (_, raft::NodeRecord)| {
        let NodeFacts { name, address, .. } = record.facts;
        Member { node, name, address }
    };
    known.map(member).filter(|member| !member.address.is_empty()).collect()
}

/// Copies what `meta` says into the address book.
async fn keep(book: AddressBook, shards: Shards) {
    let mut applied = shards.meta_applied();
    loop {
        applied.borrow_and_update();
        book.complete(members(&shards));
        if applied.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the cluster where this server is, until it knows.
async fn describe(shards: Shards, facts: NodeFacts) {
    while !matches!(shards.describe_self(facts.clone()).await, Ok(Ok(()))) {
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits until every group has so many voters and a leader, and the leads are spread.
pub(super) async fn formed(shards: &Shards, voters: usize) {
    while !is_formed(shards, voters).await {
        tokio::time::sleep(AGAIN).await;
    }
}

async fn is_formed(shards: &Shards, voters: usize) -> bool {
    if voters == 1 {
        return true;
    }
    let survey = shards.survey().await;
    let mut leads = BTreeMap::<_, usize>::new();
    for group in 0..=u64::from(shards.shard_count()) {
        match survey.leader_of(group) {
            Some((leader, report)) if report.voters.len() == voters && !report.changing => {
                *leads.entry(leader).or_default() += 1;
            }
            _ => return false,
        }
    }
    // A fair share, less what may be on its way.
    let fair = (shards.shard_count() as usize / voters).saturating_sub(1);
    leads.len() == voters && leads.values().all(|leads| *leads >= fair)
}

/// The node that leads each shard, in their order.
pub(super) async fn leaders(shards: &Shards) -> Result<Vec<u64>> {
    let survey = shards.survey().await;
    let leader = |shard| survey.leader_of(Shards::group_number(shard)).map(|(node, _)| node.0);
    let all: Option<Vec<u64>> = shards.shard_ids().map(leader).collect();
    all.context("a shard has no leader")
}
