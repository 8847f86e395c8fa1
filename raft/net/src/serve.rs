//! The service that other nodes call.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use raft::NodeFacts;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    hello::{Peer, Refused, carries, speaks},
    host::{Host, Joined, Joining, Outcome, Standing},
    link::Link,
    links::Links,
    secured::Caller,
    wire::{
        OPENING,
        proto::{self, peer_server},
    },
};

/// See the module.
pub(crate) struct Service {
    links: Links,
}

impl Service {
    pub(crate) fn new(links: Links) -> Self {
        Self { links }
    }

    fn host(&self) -> Result<Host, Status> {
        self.links.host().ok_or_else(|| Status::unavailable("this node is starting"))
    }

    fn refuse(&self, caller: &Caller, refused: &Refused) -> Status {
        let why = refused.to_string();
        self.links.note_refusal(&caller.address.to_string(), refused.label(), &why);
        Status::permission_denied(why)
    }
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let found = request.extensions().get::<Caller>().cloned();
    found.ok_or_else(|| Status::internal("the connection is not known"))
}

#[tonic::async_trait]
impl peer_server::Peer for Service {
    type TalkStream = Pin<Box<dyn Stream<Item = Result<proto::Frame, Status>> + Send>>;

    async fn talk(
        &self,
        request: Request<Streaming<proto::Frame>>,
    ) -> Result<Response<Self::TalkStream>, Status> {
        let caller = caller(&request)?;
        let mut frames = request.into_inner();
        let first = timeout(OPENING, frames.message()).await;
        let first = first.map_err(|_| self.refuse(&caller, &Refused::Speechless))??;
        let myself = self.links.myself();
        let myself = myself.ok_or_else(|| Status::unavailable("it is no member yet"))?;
        let peer: Peer = myself
            .greet(first.and_then(|frame| frame.hello), &caller.names)
            .and_then(|peer| self.links.admit(peer))
            .map_err(|refused| self.refuse(&caller, &refused))?;
        let ended: CancellationToken = self.links.stop().child_token();
        let (link, out) = Link::new(myself.hello(), self.links.metrics(), ended);
        let links = self.links.clone();
        tokio::spawn(async move { links.carry(peer, link, frames).await });
        Ok(Response::new(Box::pin(out.map(Ok))))
    }

    async fn join(
        &self,
        request: Request<proto::JoinRequest>,
    ) -> Result<Response<proto::JoinReply>, Status> {
        let (host, caller) = (self.host()?, caller(&request)?);
        let asked = request.into_inner();
        if let Err(refused) = may_join(&asked, &caller.names) {
            let why = self.refuse(&caller, &refused).message().to_owned();
            return Ok(Response::new(reply(Outcome::Refused(why))));
        }
        let proto::JoinRequest { name, region, zone, address, api, version, .. } = asked;
        let facts = NodeFacts { name, region, zone, address, api, version };
        let joining = Joining { key: asked.key, cluster_name: asked.cluster_name, facts };
        Ok(Response::new(reply((host.join)(joining).await)))
    }

    async fn standing(
        &self,
        _request: Request<proto::StandingRequest>,
    ) -> Result<Response<proto::StandingReply>, Status> {
        let host = self.host()?;
        use proto::standing_reply::Standing as Told;
        let standing = match (host.standing)() {
            Standing::Member(joined) => Told::Member(joined.into()),
            Standing::Waiting { founding } => Told::Waiting(proto::Waiting { founding }),
        };
        let standing = Some(standing);
        Ok(Response::new(proto::StandingReply { name: host.name, standing }))
    }
}

fn may_join(asked: &proto::JoinRequest, names: &[String]) -> Result<(), Refused> {
    let name = asked.name.clone();
    if !carries(names, &name) {
        return Err(Refused::Name { name, carried: names.to_vec() });
    }
    if let Some(field) = oversized(asked) {
        return Err(Refused::NotAdmitted(format!("{field} is longer than a node's can be")));
    }
    if uuid::Uuid::parse_str(&asked.key).is_err() {
        return Err(Refused::NotAdmitted("its key is none that a node makes".to_owned()));
    }
    if !speaks(asked.oldest, asked.newest) {
        let (version, oldest, newest) = (asked.version.clone(), asked.oldest, asked.newest);
        return Err(Refused::Version { name, version, oldest, newest });
    }
    Ok(())
}

/// The most bytes of a name, and of an address.
const NAME: usize = 100;
const ADDRESS: usize = 300;

fn oversized(asked: &proto::JoinRequest) -> Option<&'static str> {
    let fields = [
        ("its cluster's name", &asked.cluster_name, NAME),
        ("its name", &asked.name, NAME),
        ("its region", &asked.region, NAME),
        ("its zone", &asked.zone, NAME),
        ("its version", &asked.version, NAME),
        ("its address", &asked.address, ADDRESS),
        ("the address of its API", &asked.api, ADDRESS),
    ];
    fields.into_iter().find(|(_, text, most)| text.len() > *most).map(|(field, ..)| field)
}

fn reply(outcome: Outcome) -> proto::JoinReply {
    use proto::join_reply::Outcome as Told;
    let outcome = match outcome {
        Outcome::Joined(joined) => Told::Joined(joined.into()),
        Outcome::Waiting => Told::Waiting(proto::Waiting { founding: false }),
        Outcome::Later(why) => Told::Later(why),
        Outcome::Refused(why) => Told::Refused(why),
    };
    proto::JoinReply { outcome: Some(outcome) }
}

impl From<Joined> for proto::Joined {
    fn from(joined: Joined) -> Self {
        let members = joined.members.into_iter().map(|member| proto::Member {
            node: member.node.0,
            name: member.name,
            address: member.address,
        });
        Self {
            cluster_id: joined.cluster.id.to_string(),
            incarnation: joined.cluster.incarnation,
            cluster_name: joined.cluster.name,
            shards: joined.shards,
            node: joined.node.0,
            members: members.collect(),
        }
    }
}
