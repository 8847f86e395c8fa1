//! Answers what other replicas of a group ask.

use openraft::{
    ReadPolicy,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
        VoteRequest, VoteResponse,
    },
    type_config::async_runtime::watch::WatchReceiver,
};
use tokio::time::Instant;

use super::{
    MOST_BYTES,
    message::{
        Append, Appended, Ballot, NotTransferred, Piece, Request, Response, Transfer, decode,
        encode,
    },
    snapshot::Step,
};
use crate::{
    elections::begin,
    group::Group,
    store::snapshot::{Snapshot, replacing},
    types::{LogEntry, StoredLogId, StoredVote, TypeConfig},
};

impl Group {
    /// Answers a call of another node.
    ///
    /// # Errors
    /// Says why it cannot be: the bytes are no message, or consensus has stopped.
    pub(crate) async fn answer(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        if body.len() > MOST_BYTES {
            return Err(format!("{} bytes are more than the {MOST_BYTES} of a call", body.len()));
        }
        let request = decode(body).map_err(|unreadable| unreadable.to_string())?;
        let response = match request {
            Request::Append(append) => self.append(append).await,
            Request::Vote(ballot) => self.vote(ballot).await,
            Request::PreVote(ballot) => self.pre_vote(ballot).await,
            Request::Piece(piece) => self.piece(piece).await,
            Request::Transfer(transfer) => self.hand_over(transfer).await,
            Request::ReadIndex => self.read_index().await,
            // What arrives here goes no further: two nodes that take each other for the leader
            // would hand it to and fro.
            Request::Propose(envelope) => Ok(Response::Proposed(self.propose_for(envelope).await)),
        };
        response.map(|response| encode(&response, 0))
    }

    async fn vote(&self, ballot: Ballot) -> Result<Response, String> {
        let answer = self.raft.vote(ballot.into()).await.map_err(|e| e.to_string())?;
        if answer.vote_granted {
            self.calls.voted();
        }
        Ok(voted(&answer))
    }

    async fn pre_vote(&self, ballot: Ballot) -> Result<Response, String> {
        let theirs = ballot.last.map(Into::into);
        let answer = self.raft.pre_vote(ballot.into()).await.map_err(|e| e.to_string())?;
        if !answer.vote_granted && self.log.last() > theirs && self.calls.challenged() {
            begin(&self.raft);
        }
        Ok(voted(&answer))
    }

    async fn read_index(&self) -> Result<Response, String> {
        let found = self.raft.get_read_log_id(ReadPolicy::ReadIndex).await;
        let (read, _) = found.map_err(|e| e.to_string())?;
        Ok(Response::ReadAt(read.log_id().index))
    }

    async fn append(&self, append: Append) -> Result<Response, String> {
        self.is_of_another(append.vote)?;
        if !append.entries.iter().all(LogEntry::is_sound) {
            return Err("an entry names voters that no group can have".to_owned());
        }
        if !append.is_whole() {
            return Err("entries that do not follow one another".to_owned());
        }
        let term = append.vote.term;
        let request = AppendEntriesRequest {
            vote: append.vote.into(),
            prev_log_id: append.previous.map(Into::into),
            entries: append.entries.into_iter().map(Into::into).collect(),
            leader_commit: append.committed.map(Into::into),
        };
        let ours = self.raft.server_metrics().borrow_watched().vote.leader_id.term;
        if term >= ours {
            // Before it is answered, which a slow disk puts off.
            self.calls.leader();
        }
        let answer = self.raft.append_entries(request).await.map_err(|e| e.to_string())?;
        if matches!(
            answer,
            AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_)
        ) {
            *self.heard.lock() = Some(Instant::now());
            self.arriving.expire();
        }
        Ok(Response::Appended(match answer {
            AppendEntriesResponse::Success => Appended::All,
            AppendEntriesResponse::PartialSuccess(last) => Appended::UpTo(last.map(Into::into)),
            AppendEntriesResponse::Conflict => Appended::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Appended::HigherVote((&vote).into()),
        }))
    }

    async fn piece(&self, piece: Piece) -> Result<Response, String> {
        self.is_of_another(piece.vote)?;
        self.acceptable(&piece)?;
        let whole = match self.arriving.take(&piece)? {
            Step::Have(bytes) => return Ok(Response::Received(bytes)),
            Step::Whole(bytes) => bytes,
        };
        // Looked through before it is handed over: what fails while it is installed ends the
        // process, and bytes of others must not.
        replacing(self.replica.keys, &whole).map_err(|damaged| damaged.to_string())?;
        let snapshot = Snapshot { meta: piece.applied.described(), snapshot: whole };
        let installed = self.raft.install_full_snapshot(piece.vote.into(), snapshot).await;
        let vote = installed.map_err(|e| e.to_string())?.vote;
        Ok(Response::Installed((&vote).into()))
    }

    /// Only who was elected sends entries and snapshots, and not to itself: openraft takes that for granted.
    fn is_of_another(&self, vote: StoredVote) -> Result<(), String> {
        if vote.committed && vote.node != *self.raft.node_id() {
            return Ok(());
        }
        Err("a vote that no leader can have who sends this".to_owned())
    }

    /// openraft looks at the vote once all is here, and takes for granted what else holds.
    fn acceptable(&self, piece: &Piece) -> Result<(), String> {
        let ours = StoredVote::from(&self.raft.server_metrics().borrow_watched().vote);
        if (piece.vote.term, piece.vote.node) < (ours.term, ours.node) {
            return Err(format!(
                "a snapshot of term {}, here it is {}",
                piece.vote.term, ours.term
            ));
        }
        let members = &piece.applied.members;
        let sound = members.are_none() || members.are_valid();
        if !sound || piece.applied.last.is_none_or(|last| last.term > piece.vote.term) {
            return Err("a snapshot that no leader can have".to_owned());
        }
        Ok(())
    }

    async fn hand_over(&self, transfer: Transfer) -> Result<Response, String> {
        let last = transfer.last.map(Into::into);
        let request = TransferLeaderRequest::new(transfer.vote.into(), transfer.to, last);
        let answer = self.raft.handle_transfer_leader(request).await.map_err(|e| e.to_string())?;
        Ok(Response::Transferred(answer.map_err(|why| not_transferred(&why))))
    }
}

impl From<Ballot> for VoteRequest<TypeConfig> {
    fn from(ballot: Ballot) -> Self {
        Self {
            vote: ballot.vote.into(),
            last_log_id: ballot.last.map(Into::into),
            leadership_transfer: ballot.transfer,
        }
    }
}

fn voted(answer: &VoteResponse<TypeConfig>) -> Response {
    Response::Voted {
        vote: (&answer.vote).into(),
        granted: answer.vote_granted,
        last: answer.last_log_id.map(StoredLogId::from),
    }
}

fn not_transferred(why: &TransferLeaderError<TypeConfig>) -> NotTransferred {
    match why {
        TransferLeaderError::VoteChanged { expected, actual } => {
            NotTransferred::VoteChanged { expected: expected.into(), actual: actual.into() }
        }
        TransferLeaderError::LogNotFlushed { expected, actual } => NotTransferred::NotFlushed {
            expected: expected.map(Into::into),
            actual: actual.map(Into::into),
        },
    }
}
