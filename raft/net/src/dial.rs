//! Keeps a connection with every node of a higher id; those of lower ids dial this one.

use std::{collections::BTreeMap, time::Duration};

use model::NodeId;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, Streaming, transport::Channel};
use tracing::{debug, warn};

use crate::{
    book::AddressBook,
    client::{self, DialError, failure},
    hello::{Myself, Peer},
    host::{Member, Standing},
    join::ask_standing,
    link::{Frames, Link},
    links::Links,
    tls::Credentials,
    wire::{
        OPENING,
        proto::{self, peer_client::PeerClient},
    },
};

/// Pauses between attempts: short at first, because a node that restarts is wanted soon.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two rounds of asking configured peers that have not answered yet.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Runs until the links stop.
#[derive(Clone)]
pub struct Dialer {
    links: Links,
    credentials: Credentials,
    book: AddressBook,
    myself: Myself,
}

impl Dialer {
    /// Dials whom the book names, and learns of more from those at `seeds`.
    pub fn start(
        links: &Links,
        credentials: &Credentials,
        book: &AddressBook,
        myself: Myself,
        seeds: Vec<String>,
    ) {
        let (links, credentials, book) = (links.clone(), credentials.clone(), book.clone());
        let stop = links.stop().clone();
        let learning = learn(credentials.clone(), book.clone(), myself.clone(), seeds);
        tokio::spawn(stop.clone().run_until_cancelled_owned(learning));
        let dialer = Self { links, credentials, book, myself };
        tokio::spawn(stop.run_until_cancelled_owned(dialer.run()));
    }

    async fn run(self) {
        let mut changes = self.book.changes();
        let mut dialled: BTreeMap<NodeId, (Member, DropGuard)> = BTreeMap::new();
        loop {
            let wanted = changes.borrow_and_update().clone();
            dialled.retain(|node, (member, _)| wanted.get(node) == Some(&*member));
            for (node, member) in wanted {
                if node > self.myself.node && !dialled.contains_key(&node) {
                    let gone = self.clone().begin(member.clone());
                    dialled.insert(node, (member, gone));
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Keeps one node connected until the guard is dropped.
    fn begin(self, member: Member) -> DropGuard {
        let gone = self.links.stop().child_token();
        tokio::spawn(gone.clone().run_until_cancelled_owned(self.keep(member)));
        gone.drop_guard()
    }

    /// Keeps one node connected for as long as it is wanted there.
    async fn keep(self, member: Member) {
        let (mut pause, mut told) = (FIRST_PAUSE, None);
        loop {
            match self.dial(&member).await {
                Ok(()) => (pause, told) = (FIRST_PAUSE, None),
                Err(error) => {
                    self.tell(&member, &error, &mut told);
                    self.links.failed(member.node, error.to_string());
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            sleep(pause).await;
        }
    }

    /// Says the same only once.
    fn tell(&self, member: &Member, error: &DialError, told: &mut Option<DialError>) {
        if told.as_ref() == Some(error) {
            return debug!(node = %member.node, %error, "not connected");
        }
        warn!(node = %member.node, name = member.name, %error, "not connected; trying again");
        *told = Some(error.clone());
    }

    /// Connects, and returns once the connection has ended.
    async fn dial(&self, member: &Member) -> Result<(), DialError> {
        let address = member.address.as_str();
        let opened = client::open(&self.credentials, address).await?;
        let ended: CancellationToken = self.links.stop().child_token();
        let (link, out) = Link::new(self.myself.hello(), self.links.metrics(), ended);
        let (frames, hello) = greet(address, opened.client, out).await?;
        match self.known(member, hello, &opened.names) {
            Ok(peer) => {
                self.links.carry(peer, link, frames).await;
                Ok(())
            }
            Err(error) => {
                link.end();
                Err(DialError::Refused { address: address.to_owned(), detail: error })
            }
        }
    }

    /// Who has answered, if it is the node that was meant.
    fn known(
        &self,
        member: &Member,
        hello: Option<proto::Hello>,
        names: &[String],
    ) -> Result<Peer, String> {
        let greeted = self.myself.greet(hello, names);
        let peer = greeted.and_then(|peer| self.links.admit(peer)).map_err(|error| {
            let why = error.to_string();
            self.links.note_refusal(&member.address, error.label(), &why);
            why
        })?;
        if peer.node != member.node {
            return Err(format!("node {} is there, not node {}", peer.node, member.node));
        }
        Ok(peer)
    }
}

/// Opens the stream and waits for the other side's greeting.
async fn greet(
    address: &str,
    mut client: PeerClient<Channel>,
    out: Frames,
) -> Result<(Streaming<proto::Frame>, Option<proto::Hello>), DialError> {
    let greeting = async {
        let mut frames = client.talk(out).await?.into_inner();
        let first = frames.message().await?;
        Ok::<_, Status>((frames, first.and_then(|frame| frame.hello)))
    };
    match timeout(OPENING, greeting).await {
        Ok(greeted) => greeted.map_err(|status| failure(address, &status)),
        Err(_) => {
            let detail = format!("it does not greet within {OPENING:?}");
            Err(DialError::Unreachable { address: address.to_owned(), detail })
        }
    }
}

/// Asks the configured peers which nodes there are, until each has said it: the book of a node
/// that was away may be out of date, and that of one that has just joined is empty.
async fn learn(credentials: Credentials, book: AddressBook, myself: Myself, seeds: Vec<String>) {
    let (told, mut heard) = mpsc::channel(1);
    for seed in seeds {
        let (credentials, told, myself) = (credentials.clone(), told.clone(), myself.clone());
        tokio::spawn(async move {
            while !told.is_closed() {
                if let Ok((name, Standing::Member(there))) = ask_standing(&credentials, &seed).await
                    && there.cluster.id == myself.cluster.id
                {
                    let itself = Member { node: there.node, name, address: seed };
                    // Nobody listens any more where the node stops.
                    let _ = told.send([vec![itself], there.members].concat()).await;
                    return;
                }
                sleep(ASK_AGAIN).await;
            }
        });
    }
    drop(told);
    while let Some(members) = heard.recv().await {
        book.complete(members.into_iter().filter(|member| member.node != myself.node));
    }
}
