//! Real connections over loopback, with real certificates.

use std::{sync::Arc, time::Duration};

use futures_util::future::FutureExt;
use model::{NodeId, event::ClusterIdentity};
use raft::{Call, Haste, NodeFacts, PeerError, PeerTransport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    AddressBook, Credentials, Dialer, Host, Joined, Joining, LinkState, Links, Listener, Member,
    Myself, Outcome, PeerMetrics, Standing, ask_standing, ask_to_join,
    tls::tests::pki::{Files, Pki},
};

const SECOND: Duration = Duration::from_secs(1);

/// A node without groups: it answers a call by its own name and what it was asked.
struct Node {
    links: Links,
    book: AddressBook,
    metrics: PeerMetrics,
    credentials: Credentials,
    myself: Myself,
    address: String,
    /// What the certificate names.
    _files: Files,
    stop: CancellationToken,
    _stopped: DropGuard,
}

fn cluster(id: u128) -> ClusterIdentity {
    ClusterIdentity { id: uuid::Uuid::from_u128(id), incarnation: 1, name: "home".to_owned() }
}

fn host(name: &str) -> Host {
    let (said, member) = (name.to_owned(), name.to_owned());
    Host {
        name: name.to_owned(),
        answer: Arc::new(move |group, body| {
            let answer = [said.as_bytes(), &body].concat();
            async move {
                match group {
                    0 => Ok(answer),
                    1 => Err("no".to_owned()),
                    _ => std::future::pending().await,
                }
            }
            .boxed()
        }),
        admit: Arc::new(|node, name| {
            if node == NodeId(9) { Err(format!("{name} was removed")) } else { Ok(()) }
        }),
        join: Arc::new(|_| std::future::ready(Outcome::Waiting).boxed()),
        standing: Arc::new(move || {
            let members = vec![Member {
                node: NodeId(1),
                name: member.clone(),
                address: "127.0.0.1:1".to_owned(),
            }];
            Standing::Member(Joined { cluster: cluster(7), shards: 16, node: NodeId(1), members })
        }),
    }
}

impl Node {
    async fn start(authority: &Pki, node: u64, name: &str, id: u128) -> Self {
        let (metrics, stop) = (PeerMetrics::default(), CancellationToken::new());
        let files = authority.node(name);
        let credentials = files.credentials();
        let links = Links::new(metrics.clone(), stop.clone());
        links.lend(host(name));
        let version = "0.1.0".to_owned();
        let myself =
            Myself { cluster: cluster(id), node: NodeId(node), name: name.to_owned(), version };
        links.introduce(myself.clone());
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address().to_string();
        listener.serve(&links, credentials.clone());
        let book = AddressBook::default();
        let _stopped = stop.clone().drop_guard();
        Self { links, book, metrics, credentials, myself, address, _files: files, stop, _stopped }
    }

    fn dial(&self, others: &[&Self], seeds: Vec<String>) {
        self.book.replace(others.iter().map(|other| other.member()));
        let myself = self.myself.clone();
        Dialer::start(&self.links, &self.credentials, &self.book, myself, seeds);
    }

    fn member(&self) -> Member {
        let Myself { node, name, .. } = self.myself.clone();
        Member { node, name, address: self.address.clone() }
    }

    async fn ask(&self, to: u64, group: u64, body: &[u8]) -> Result<Vec<u8>, PeerError> {
        let call = Call { group, body: body.to_vec(), deadline: SECOND, haste: Haste::Now };
        self.links.call(NodeId(to), call).await
    }

    async fn until_connected(&self, to: u64) {
        let connected = || matches!(self.links.state(NodeId(to)), LinkState::Connected { .. });
        until(connected, "a connection").await;
    }

    async fn until_refused(&self, reason: &'static str) {
        until(|| self.metrics.refusals(reason) > 0, reason).await;
    }
}

async fn until(holds: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + 20 * SECOND;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come about");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn two_nodes_call_each_other_over_the_connection_that_one_of_them_dialled() {
    let authority = Pki::new();
    let n1 = Node::start(&authority, 1, "n1", 7).await;
    let n2 = Node::start(&authority, 2, "n2", 7).await;
    n1.dial(&[&n2], Vec::new());
    n2.dial(&[&n1], Vec::new());
    n1.until_connected(2).await;
    n2.until_connected(1).await;
    assert_eq!(n1.ask(2, 0, b"?").await.unwrap(), b"n2?");
    assert_eq!(n2.ask(1, 0, b"!").await.unwrap(), b"n1!");
    assert!(matches!(n1.ask(2, 1, b"").await, Err(PeerError::Refused { .. })));
    assert!(matches!(n1.ask(2, 2, b"").await, Err(PeerError::TimedOut { .. })));
    assert!(matches!(n1.ask(3, 0, b"").await, Err(PeerError::Unreachable { .. })));
    let large = vec![7; 8 << 20];
    assert_eq!(n1.ask(2, 0, &large).await.unwrap().len(), large.len() + 2);
}

#[tokio::test]
async fn a_node_that_comes_back_is_connected_again() {
    let authority = Pki::new();
    let n1 = Node::start(&authority, 1, "n1", 7).await;
    let n2 = Node::start(&authority, 2, "n2", 7).await;
    n1.dial(&[&n2], Vec::new());
    n1.until_connected(2).await;
    n2.stop.cancel();
    until(|| matches!(n1.links.state(NodeId(2)), LinkState::Down(_)), "the end").await;
    drop(n2);
    let again = Node::start(&authority, 2, "n2", 7).await;
    n1.book.replace([again.member()]);
    n1.until_connected(2).await;
    assert_eq!(n1.ask(2, 0, b"?").await.unwrap(), b"n2?");
}

#[tokio::test]
async fn who_is_of_another_authority_or_cluster_or_was_removed_is_refused_and_counted() {
    let authority = Pki::new();
    let n1 = Node::start(&authority, 1, "n1", 7).await;
    let foreign = Pki::new();
    let stranger = Node::start(&foreign, 0, "s", 7).await;
    stranger.dial(&[&n1], Vec::new());
    n1.until_refused("foreign_authority").await;
    let other = Node::start(&authority, 0, "n3", 8).await;
    other.dial(&[&n1], Vec::new());
    n1.until_refused("foreign_cluster").await;
    n1.dial(&[&other], Vec::new());
    let removed = Node::start(&authority, 9, "n9", 7).await;
    n1.book.replace([removed.member()]);
    n1.until_refused("not_admitted").await;
    let said = |node| match n1.links.state(NodeId(node)) {
        LinkState::Down(Some(why)) => why,
        state => format!("{state:?}"),
    };
    until(|| said(9).contains("n9 was removed"), "the reason").await;
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused() {
    let authority = Pki::new();
    let n1 = Node::start(&authority, 1, "n1", 7).await;
    let honest = Node::start(&authority, 0, "n2", 7).await;
    let myself = Myself { name: "n5".to_owned(), ..honest.myself.clone() };
    honest.links.introduce(myself.clone());
    let thief = Node { myself, ..honest };
    thief.dial(&[&n1], Vec::new());
    n1.until_refused("wrong_name").await;
    let facts = NodeFacts { name: "n5".to_owned(), ..NodeFacts::default() };
    let key = uuid::Uuid::from_u128(1).to_string();
    let joining = Joining { key, cluster_name: "home".to_owned(), facts };
    let asked = ask_to_join(&thief.credentials, &n1.address, joining.clone()).await.unwrap();
    let Outcome::Refused(why) = asked else { panic!("{asked:?}") };
    assert!(why.contains("bellwether certs --out DIR n5"), "{why}");
    let facts = NodeFacts { name: "n2".to_owned(), ..NodeFacts::default() };
    let honest = Joining { facts, ..joining };
    let asked = ask_to_join(&thief.credentials, &n1.address, honest).await.unwrap();
    assert_eq!(asked, Outcome::Waiting);
    let (name, standing) = ask_standing(&thief.credentials, &n1.address).await.unwrap();
    assert_eq!((name.as_str(), matches!(standing, Standing::Member(_))), ("n1", true));
}

#[tokio::test]
async fn garbage_ends_its_own_connection_and_nothing_else() {
    let authority = Pki::new();
    let n1 = Node::start(&authority, 1, "n1", 7).await;
    let n2 = Node::start(&authority, 2, "n2", 7).await;
    n1.dial(&[&n2], Vec::new());
    n1.until_connected(2).await;
    let mut plain = TcpStream::connect(&n2.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    n2.until_refused("not_tls").await;
    // With a good certificate, but no HTTP/2; then a frame that says it has 2 GiB.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1];
    for bytes in [vec![0xff; 4_096], [&preface[..], &settings, &headers].concat()] {
        let connector = TlsConnector::from(n1.credentials.client());
        let stream = TcpStream::connect(&n2.address).await.unwrap();
        let mut stream = connector.connect("n2".try_into().unwrap(), stream).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut rest = Vec::new();
        // It is closed, in order or not.
        let _ = tokio::time::timeout(10 * SECOND, stream.read_to_end(&mut rest)).await.unwrap();
    }
    assert_eq!(n1.ask(2, 0, b"?").await.unwrap(), b"n2?");
}

#[tokio::test]
async fn a_node_learns_from_its_seeds_where_the_others_are() {
    let authority = Pki::new();
    let n1 = Node::start(&authority, 1, "n1", 7).await;
    let n2 = Node::start(&authority, 2, "n2", 7).await;
    n2.dial(&[], vec!["127.0.0.1:1".to_owned(), n1.address.clone()]);
    until(|| !n2.book.members().is_empty(), "a member").await;
    assert_eq!(n2.book.members()[0].address, n1.address);
}
