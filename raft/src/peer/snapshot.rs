//! A snapshot in pieces, each acknowledged by how many bytes the other side has: a piece that was
//! lost is sent again. A transfer that was given up goes on where it was as long as nothing was
//! applied meanwhile; else openraft has another snapshot built.

use std::time::Duration;

use openraft::errors::Unreachable;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{
    message::{Piece, Request, Response},
    network::Peer,
};
use crate::{
    store::snapshot::Snapshot,
    types::{Applied, StoredVote, TypeConfig},
};

/// Bytes of a piece, so many that it takes about as long as `PACE`: a heartbeat that is behind it
/// still comes in time, on a slow link as on a fast one.
const PIECES: std::ops::RangeInclusive<usize> = 8 << 10..=512 << 10;
const PACE: Duration = Duration::from_millis(100);
/// How long a piece may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last one may take, with the installing of all of them.
const LAST_PATIENCE: Duration = Duration::from_secs(60);
/// Pieces in a row that lead to nothing before it is given up.
const ATTEMPTS: u32 = 5;
const AGAIN: Duration = Duration::from_millis(200);
/// A snapshot of which no piece came for so long is not waited for.
const GIVEN_UP: Duration = Duration::from_secs(60);
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
    let (mut offset, mut futile) = (0, 0);
    let mut size = *PIECES.start();
    loop {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        let bytes = whole[from..(from + size).min(whole.len())].to_vec();
        let patience = if from + size < whole.len() { PATIENCE } else { LAST_PATIENCE };
        let piece = Piece { vote, applied: applied.clone(), total, offset, bytes };
        let sent = Instant::now();
        let answer = peer.ask(&Request::Piece(piece), patience).await;
        size = next_size(size, sent.elapsed());
        futile += 1;
        match answer {
            Ok(Response::Installed(vote)) => return Ok(vote),
            // It may have fewer than before, where it was started again.
            Ok(Response::Received(have)) if have < total && futile <= ATTEMPTS => {
                if have > offset {
                    futile = 0;
                }
                offset = have;
            }
            Ok(other) => return Err(peer.confused(&other)),
            Err(_) if futile <= ATTEMPTS => sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

fn next_size(size: usize, took: Duration) -> usize {
    let next = if took < PACE / 2 {
        size * 2
    } else if took > PACE {
        size / 2
    } else {
        size
    };
    next.clamp(*PIECES.start(), *PIECES.end())
}

/// What has arrived of one snapshot.
struct Partial {
    vote: StoredVote,
    applied: Applied,
    total: u64,
    bytes: Vec<u8>,
    /// When the last piece came.
    heard: Instant,
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
    /// Lets go of a snapshot whose sender has gone: it may be as large as the state.
    pub(super) fn expire(&self) {
        let mut slot = self.0.lock();
        if slot.as_ref().is_some_and(|partial| partial.heard.elapsed() > GIVEN_UP) {
            *slot = None;
        }
    }

    /// Takes a piece in.
    ///
    /// # Errors
    /// The piece does not belong to a snapshot of a size that can be had.
    pub(super) fn take(&self, piece: &Piece) -> Result<Step, String> {
        let end = piece.offset.saturating_add(piece.bytes.len() as u64);
        if piece.total > MOST || end > piece.total {
            return Err(format!("a piece of {}..{end} of {} bytes", piece.offset, piece.total));
        }
        let mut slot = self.0.lock();
        let same = |partial: &Partial| {
            partial.vote == piece.vote
                && partial.applied == piece.applied
                && partial.total == piece.total
        };
        if !slot.as_ref().is_some_and(same) {
            let (applied, total) = (piece.applied.clone(), piece.total);
            let (vote, heard) = (piece.vote, Instant::now());
            *slot = Some(Partial { vote, applied, total, bytes: Vec::new(), heard });
        }
        let Some(partial) = slot.as_mut() else { return Ok(Step::Have(0)) };
        partial.heard = Instant::now();
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
