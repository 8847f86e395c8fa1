//! openraft's way to the other replicas of a group, over a transport.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use model::NodeId;
use openraft::{
    AnyError, OptionalSend, RaftNetworkFactory,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    impls::{BasicNode, Vote},
    network::{Backoff, RPCOption, RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};

use super::{
    Call, Haste, PeerError, PeerTransport,
    message::{
        Append, Appended, Ballot, NotTransferred, Request, Response, Transfer, decode, encode,
    },
    snapshot,
};
use crate::{
    beat::Beats,
    store::snapshot::{Snapshot, SnapshotBytes},
    types::{LeaderId, LogEntry, StoredLogId, TypeConfig},
};

/// For entries openraft would wait no longer than a heartbeat takes to come round, which a slow
/// disk of the other side exceeds without being gone. Heartbeats and votes it bounds by itself.
const SHORTEST: Duration = Duration::from_secs(1);
/// Entries of one call. What is beyond follows in the next.
const MOST_ENTRY_BYTES: usize = 512 << 10;
/// A link that carries less than this a second is of no use for entries. One that is dead ends long
/// before the patience that follows from it.
const SLOWEST: usize = 32 << 10;

/// Opens connections for one group.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) group: u64,
    pub(crate) transport: Arc<dyn PeerTransport>,
    pub(crate) beats: Beats,
}

/// One group's way to one node.
#[derive(Clone)]
pub(crate) struct Peer {
    group: u64,
    node: NodeId,
    transport: Arc<dyn PeerTransport>,
    /// Where nothing but heartbeats goes this way: when they begin.
    beats: Option<Beats>,
    /// Whether snapshots go this way.
    snapshots: bool,
}

impl Peers {
    /// The way to one node.
    pub(super) fn to(&self, node: NodeId) -> Peer {
        let transport = Arc::clone(&self.transport);
        Peer { group: self.group, node, transport, beats: None, snapshots: false }
    }
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Peer {
        self.to(NodeId(target))
    }

    async fn new_heartbeat_client(&mut self, target: u64, _node: &BasicNode) -> Peer {
        Peer { beats: Some(self.beats.clone()), ..self.to(NodeId(target)) }
    }

    async fn new_snapshot_client(&mut self, target: u64, _node: &BasicNode) -> Peer {
        Peer { snapshots: true, ..self.to(NodeId(target)) }
    }
}

impl Peer {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// See [`PeerError`]; an answer that is not understood counts as a refusal.
    pub(super) async fn call(
        &self,
        request: &Request,
        deadline: Duration,
    ) -> Result<Response, PeerError> {
        let size = match request {
            Request::Append(append) => append.entries.len() * 512,
            Request::Piece(piece) => piece.bytes.len(),
            _ => 0,
        };
        let body = encode(request, size);
        let call = Call { group: self.group, body, deadline, haste: self.haste(request) };
        let answer = self.transport.call(self.node, call).await?;
        decode(&answer)
            .map_err(|detail| PeerError::Refused { node: self.node, detail: detail.to_string() })
    }

    /// The heartbeats of all groups begin at one moment. Those that confirm a read look alike, and
    /// lose a moment where they meet one; what says that entries are committed looks alike, too, but
    /// goes the way of entries, because somebody waits for it.
    fn haste(&self, request: &Request) -> Haste {
        match request {
            Request::Piece(_) => Haste::Bulk,
            Request::Append(_) if self.beats.as_ref().is_some_and(Beats::just_began) => {
                Haste::Company
            }
            _ => Haste::Now,
        }
    }

    pub(super) async fn ask(
        &self,
        request: &Request,
        deadline: Duration,
    ) -> Result<Response, Unreachable<TypeConfig>> {
        self.call(request, deadline).await.map_err(|error| unreachable(&error))
    }

    /// An answer to something else.
    pub(super) fn confused(&self, response: &Response) -> Unreachable<TypeConfig> {
        let detail = format!("it answered something else: {response:?}");
        unreachable(&PeerError::Refused { node: self.node, detail })
    }

    async fn ballot(
        &self,
        request: &VoteRequest<TypeConfig>,
        option: &RPCOption,
        kind: fn(Ballot) -> Request,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let ballot = Ballot {
            vote: (&request.vote).into(),
            last: request.last_log_id.map(Into::into),
            transfer: request.leadership_transfer,
        };
        match self.ask(&kind(ballot), patience(option)).await? {
            Response::Voted { vote, granted, last } => Ok(VoteResponse {
                vote: vote.into(),
                vote_granted: granted,
                last_log_id: last.map(Into::into),
            }),
            other => Err(self.confused(&other).into()),
        }
    }
}

/// How long the other side of a snapshot is left alone when it cannot be reached: at first, and at most.
const ALONE: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotBytes;

    /// openraft (0.10.0-alpha.37) has the whole group packed before each try to send it, and the group
    /// applies nothing meanwhile: a node that is away is not tried all the time.
    fn backoff(&self) -> Option<Backoff> {
        let [first, most] = ALONE;
        let spans = std::iter::successors(Some(first), move |span| Some((*span * 2).min(most)));
        self.snapshots.then(|| Backoff::new(spans))
    }

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let all = request.entries.len();
        let (entries, size) = fitting(request.entries.iter().map(LogEntry::from));
        let cut = (entries.len() < all).then(|| entries.last().map(|entry| entry.id)).flatten();
        let append = Append {
            vote: (&request.vote).into(),
            previous: request.prev_log_id.map(Into::into),
            entries,
            committed: request.leader_commit.map(Into::into),
        };
        let patience = patience(&option) + Duration::from_secs((size / SLOWEST) as u64);
        match self.ask(&Request::Append(append), patience).await? {
            Response::Appended(Appended::All) => Ok(cut
                .map_or(AppendEntriesResponse::Success, |last: StoredLogId| {
                    AppendEntriesResponse::PartialSuccess(Some(last.into()))
                })),
            Response::Appended(Appended::UpTo(last)) => {
                Ok(AppendEntriesResponse::PartialSuccess(last.map(Into::into)))
            }
            Response::Appended(Appended::Conflict) => Ok(AppendEntriesResponse::Conflict),
            Response::Appended(Appended::HigherVote(vote)) => {
                Ok(AppendEntriesResponse::HigherVote(vote.into()))
            }
            other => Err(self.confused(&other).into()),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ballot(&request, &option, Request::Vote).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ballot(&request, &option, Request::PreVote).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<LeaderId>,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sent = snapshot::send(self, (&vote).into(), snapshot);
        match select(Box::pin(sent), Box::pin(cancel)).await {
            Either::Left((sent, _)) => Ok(SnapshotResponse::new(sent?.into())),
            Either::Right((closed, _)) => Err(closed.into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let transfer = Transfer {
            vote: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().map(|id| (*id).into()),
        };
        match self.ask(&Request::Transfer(transfer), patience(&option)).await? {
            Response::Transferred(outcome) => Ok(outcome.map_err(|why| not_transferred(&why))),
            other => Err(self.confused(&other).into()),
        }
    }
}

/// As many of the first entries as a call carries, and one at least; and their bytes.
fn fitting(entries: impl Iterator<Item = LogEntry>) -> (Vec<LogEntry>, usize) {
    let mut all = 0;
    let mut fitting = Vec::new();
    for entry in entries {
        let size = entry.size();
        if all + size > MOST_ENTRY_BYTES && !fitting.is_empty() {
            break;
        }
        all += size;
        fitting.push(entry);
    }
    (fitting, all)
}

fn patience(option: &RPCOption) -> Duration {
    option.hard_ttl().max(SHORTEST)
}

/// A peer that does not answer is asked again after a while and not at once, whatever the reason.
fn unreachable(error: &PeerError) -> Unreachable<TypeConfig> {
    Unreachable::new(&AnyError::new(error))
}

fn not_transferred(why: &NotTransferred) -> TransferLeaderError<TypeConfig> {
    match *why {
        NotTransferred::VoteChanged { expected, actual } => {
            TransferLeaderError::VoteChanged { expected: expected.into(), actual: actual.into() }
        }
        NotTransferred::NotFlushed { expected, actual } => TransferLeaderError::LogNotFlushed {
            expected: expected.map(Into::into),
            actual: actual.map(Into::into),
        },
    }
}
