//! What the messages of a watch are written in: server-sent events, or those of gRPC.

use model::cursor::Cursor;
use raft::{ReadError, Row};

use super::{recent::Told, select::Kind};

/// Messages that wait to be handed over.
pub(crate) trait Wire: Send + 'static {
    /// Some of them.
    type Chunk: Send;

    /// What a stream begins with.
    fn begin() -> Self;

    /// How many bytes wait, about.
    fn bytes(&self) -> usize;

    /// A row of the snapshot. It has no cursor, because a watch cannot resume in the middle of one.
    fn row(&mut self, row: &Row);

    /// `synced` or `bookmark`: everything up to the cursor was told.
    fn place(&mut self, kind: Kind, cursor: &Cursor);

    /// A change, and the cursor of everything up to it.
    fn change(&mut self, kind: Kind, cursor: &Cursor, told: &Told);

    /// That the stream is alive.
    fn alive(&mut self);

    /// All that wait.
    fn take(&mut self) -> Self::Chunk;

    /// What is said last. Where rows are still to come there is no `place` to come back to.
    fn end(&mut self, end: &End, place: Option<&Cursor>) -> Self::Chunk;
}

/// Why a watch ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client is too slow.
    Slow,
    /// The node stops.
    Stopping,
    /// The changes cannot be read any more.
    Lost(ReadError),
}

/// What a client is told that was too slow.
pub(crate) const TOO_SLOW: &str =
    "the client is too slow; come back with the last cursor that was received";
