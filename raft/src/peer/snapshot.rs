//! A snapshot in pieces, each acknowledged by how many bytes the other side has: a piece that was
//! lost, or a transfer that broke off, goes on from there.

use std::time::Duration;

use openraft::{AnyError, errors::Unreachable};
use parking_lot::Mutex;

use super::{
    message::{Piece, Request, Response},
    network::Peer,
};
use crate::{
    store::snapshot::Snapshot,
    types::{Applied, StoredVote, TypeConfig},
};

/// Bytes of a piece: small beside what a link carries between two heartbeats.
const PIECE: usize = 256 << 10;
/// How long a piece may take, the last one with the installing of all of them.
const PATIENCE: Duration = Duration::from_secs(60);
/// A snapshot that says it is larger is refused.
const MOST: u64 = 8 << 30;

/// Sends all pieces. Returns the vote of the other side.
pub(super) async fn send(
    peer: &Peer,
    vote: StoredVote,
    snapshot: Snapshot,
) -> Result<StoredVote, Unreachable<TypeConfig>> {
    let applied = Applied::of(&snapshot.meta);
    let whole = snapshot.snapshot;
    let total = whole.len() as u64;
    let mut offset = 0;
    loop {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        let bytes = whole[from..(from + PIECE).min(whole.len())].to_vec();
        let piece =
            Piece { vote: vote.clone(), applied: applied.clone(), total, offset, bytes };
        match peer.ask(&Request::Piece(piece), PATIENCE).await? {
            Response::Installed(vote) => return Ok(vote),
            // It may have fewer than before, where it was started again.
            Response::Received(have) if have < total => offset = have,
            other => return Err(peer.confused(&other)),
        }
    }
}

/// What has arrived of one snapshot.
struct Partial {
    applied: Applied,
    total: u64,
    bytes: Vec<u8>,
}

/// The pieces of one group's snapshot, as they arrive. There is one at a time: another replaces
/// it.
#[derive(Default)]
pub(crate) struct Arriving(Mutex<Option<Partial>>);

/// What a piece has led to.
pub(super) enum Step {
    /// So many bytes are here.
    Have(u64),
    /// All of them.
    Whole(Vec<u8>),
}

impl Arriving {
    /// Takes a piece in.
    ///
    /// # Errors
    /// The piece does not belong to a snapshot of a size that can be had.
    pub(super) fn take(&self, piece: &Piece) -> Result<Step, Unreachable<TypeConfig>> {
        let end = piece.offset.saturating_add(piece.bytes.len() as u64);
        if piece.total > MOST || end > piece.total {
            let what = format!("a piece of {}..{end} of {} bytes", piece.offset, piece.total);
            return Err(Unreachable::new(&AnyError::error(what)));
        }
        let mut slot = self.0.lock();
        let same = |partial: &Partial| {
            partial.applied == piece.applied && partial.total == piece.total
        };
        if !slot.as_ref().is_some_and(same) {
            let (applied, total) = (piece.applied.clone(), piece.total);
            *slot = Some(Partial { applied, total, bytes: Vec::new() });
        }
        let Some(partial) = slot.as_mut() else { return Ok(Step::Have(0)) };
        if piece.offset == partial.bytes.len() as u64 {
            partial.bytes.extend_from_slice(&piece.bytes);
        }
        if (partial.bytes.len() as u64) < partial.total {
            return Ok(Step::Have(partial.bytes.len() as u64));
        }
        let whole = slot.take().map(|partial| partial.bytes);
        Ok(Step::Whole(whole.unwrap_or_default()))
    }
}
