//! What replicas say to each other, as bytes: a version, then the message in postcard's encoding.
//!
//! openraft's own forms are not stable between its versions, so that these stand on our stored
//! ones. A version that is not known is refused with both named.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    batcher::Answer,
    command::Envelope,
    error::ProposeError,
    types::{Applied, LogEntry, StoredLogId, StoredVote},
};

/// The protocol that this version speaks.
const VERSION: u8 = 1;

/// What one replica asks another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    Append(Append),
    Vote(Ballot),
    PreVote(Ballot),
    Piece(Piece),
    Transfer(Transfer),
    /// Up to where must be applied for a read that begins now? Only the leader can say.
    ReadIndex,
    /// A command from a caller of another node.
    Propose(Envelope),
}

/// Entries that follow `previous`, and how far all is committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) vote: StoredVote,
    pub(crate) previous: Option<StoredLogId>,
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) committed: Option<StoredLogId>,
}

impl Append {
    /// Whether the entries follow `previous`, and are of no later term than their leader's.
    pub(crate) fn is_whole(&self) -> bool {
        let (mut index, mut term) = match self.previous {
            None => (0, 0),
            Some(last) => (last.index.saturating_add(1), last.term),
        };
        self.entries.iter().all(|entry| {
            let follows =
                entry.id.index == index && (term..=self.vote.term).contains(&entry.id.term);
            (index, term) = (index.saturating_add(1), entry.id.term);
            follows
        })
    }
}

/// Who wants to lead, and how far its log goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub(crate) vote: StoredVote,
    pub(crate) last: Option<StoredLogId>,
    /// The leader has asked for it: its lease holds nobody back.
    pub(crate) transfer: bool,
}

/// A part of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) vote: StoredVote,
    /// What the snapshot holds: how far it goes, and the membership.
    pub(crate) applied: Applied,
    /// Bytes of the whole.
    pub(crate) total: u64,
    /// Where in it these begin.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The leader asks another to lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) vote: StoredVote,
    pub(crate) to: u64,
    pub(crate) last: Option<StoredLogId>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Response {
    Appended(Appended),
    Voted {
        vote: StoredVote,
        granted: bool,
        last: Option<StoredLogId>,
    },
    /// So many bytes of the snapshot are here; more are wanted from there.
    Received(u64),
    /// The snapshot is in force, unless the vote is a higher one.
    Installed(StoredVote),
    Transferred(Result<(), NotTransferred>),
    ReadAt(u64),
    Proposed(Result<Answer, ProposeError>),
}

/// What became of entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Appended {
    All,
    UpTo(Option<StoredLogId>),
    Conflict,
    HigherVote(StoredVote),
}

/// Why a leader stays one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum NotTransferred {
    VoteChanged { expected: StoredVote, actual: StoredVote },
    NotFlushed { expected: Option<StoredLogId>, actual: Option<StoredLogId> },
}

/// Bytes that are no message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(
        "the peer speaks version {0} of the protocol between nodes, this node speaks {VERSION}; \
         run versions of Bellwether on all nodes that are one minor version apart at most"
    )]
    Version(u8),
    #[error("the peer sent {0} bytes that are no message of the protocol between nodes")]
    Shape(usize),
}

pub(crate) fn encode<M: Serialize>(message: &M, size_hint: usize) -> Vec<u8> {
    let mut start = Vec::with_capacity(size_hint + 64);
    start.push(VERSION);
    postcard::to_extend(message, start).expect("messages are plain data of known length")
}

pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, Unreadable> {
    let shape = || Unreadable::Shape(bytes.len());
    let (version, body) = bytes.split_first().ok_or_else(shape)?;
    if *version != VERSION {
        return Err(Unreadable::Version(*version));
    }
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        _ => Err(shape()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::Payload;

    fn piece(bytes: Vec<u8>) -> Request {
        let vote = StoredVote { term: 3, node: 1, committed: true };
        let total = bytes.len() as u64;
        Request::Piece(Piece { vote, applied: Applied::default(), total, offset: 0, bytes })
    }

    #[test]
    fn entries_follow_one_another_and_what_was_before() {
        let entry =
            |(term, index)| LogEntry { id: StoredLogId { term, index }, payload: Payload::Blank };
        let of = |previous: Option<(u64, u64)>, entries: &[(u64, u64)]| Append {
            vote: StoredVote { term: 3, node: 1, committed: true },
            previous: previous.map(|(term, index)| StoredLogId { term, index }),
            entries: entries.iter().copied().map(entry).collect(),
            committed: None,
        };
        assert!(of(None, &[]).is_whole() && of(Some((1, 9)), &[]).is_whole());
        assert!(of(None, &[(1, 0), (1, 1)]).is_whole());
        assert!(of(Some((1, 9)), &[(1, 10), (3, 11)]).is_whole());
        for (previous, entries) in [
            (None, vec![(1, 1)]),
            (Some((1, 9)), vec![(1, 9)]),
            (Some((1, 9)), vec![(1, 10), (1, 12)]),
            (Some((2, 9)), vec![(1, 10)]),
            (Some((2, 9)), vec![(4, 10)]),
        ] {
            assert!(!of(previous, &entries).is_whole(), "{previous:?} {entries:?}");
        }
    }

    #[test]
    fn another_version_is_named_with_ours() {
        let mut bytes = encode(&piece(vec![1]), 0);
        bytes[0] = 9;
        let error = decode::<Request>(&bytes).unwrap_err();
        assert_eq!(error, Unreadable::Version(9));
        assert!(error.to_string().contains("version 9") && error.to_string().contains("speaks 1"));
        assert_eq!(decode::<Request>(&[]), Err(Unreadable::Shape(0)));
    }

    proptest! {
        #[test]
        fn a_message_comes_back_whole_or_not_at_all(bytes: Vec<u8>, cut in 0usize..64) {
            let message = piece(bytes);
            let encoded = encode(&message, 0);
            prop_assert_eq!(decode::<Request>(&encoded).unwrap(), message);
            let short = encoded.len().saturating_sub(cut + 1);
            prop_assert!(decode::<Request>(&encoded[..short]).is_err());
            let longer = [encoded.as_slice(), &[0]].concat();
            prop_assert!(decode::<Request>(&longer).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = decode::<Request>(&bytes);
            let _ = decode::<Response>(&bytes);
        }
    }
}
