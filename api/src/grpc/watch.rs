//! A watch as messages of gRPC.

mod hand_over;

use axum::body::Bytes;
use model::{HealthStatus, cursor::Cursor};
use prost::Message as _;
use raft::Row;
use tonic::Status;

use super::{show, v1};
use crate::{
    error::{ApiError, Kind},
    watch::{End, TOO_SLOW, Told, WatchKind, Wire},
};

pub(super) use hand_over::HandedOver;

/// `WatchResourcesResponse`, with the resource written out already: what many watches are told is
/// written once.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// What it tells.
    #[prost(enumeration = "v1::WatchKind", tag = "1")]
    pub kind: i32,
    /// The cursor of everything up to here.
    #[prost(string, tag = "2")]
    pub cursor: String,
    /// A `Resource`.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub resource: Option<Bytes>,
    /// The health before, of a transition.
    #[prost(enumeration = "v1::HealthStatus", tag = "4")]
    pub previous_status: i32,
}

/// Messages that wait to be handed over.
#[derive(Default)]
pub(super) struct Messages {
    waiting: Vec<Result<Message, Status>>,
    bytes: usize,
}

impl Messages {
    fn push(&mut self, message: Message) {
        self.bytes += message.encoded_len();
        self.waiting.push(Ok(message));
    }
}

impl Wire for Messages {
    type Chunk = Vec<Result<Message, Status>>;

    fn begin() -> Self {
        Self::default()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn row(&mut self, row: &Row) {
        let resource = Some(written(row));
        self.push(Message { resource, ..message(WatchKind::Snapshot, None) });
    }

    fn place(&mut self, kind: WatchKind, cursor: &Cursor) {
        self.push(message(kind, Some(cursor)));
    }

    fn change(&mut self, kind: WatchKind, cursor: &Cursor, told: &Told) {
        let resource = Some(told.message(written).clone());
        let previous = told.change.previous.filter(|_| kind == WatchKind::Transition);
        let previous_status =
            previous.map_or(0, |status: HealthStatus| show::health(status).into());
        self.push(Message { resource, previous_status, ..message(kind, Some(cursor)) });
    }

    /// The connection shows by itself whether it is alive.
    fn alive(&mut self) {}

    fn take(&mut self) -> Self::Chunk {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    fn end(&mut self, end: &End, place: Option<&Cursor>) -> Self::Chunk {
        let error = match end {
            End::Slow => ApiError::new(Kind::TooMany, TOO_SLOW),
            End::Lost(error) => ApiError::from(error.clone()),
            End::Stopping => {
                if let Some(cursor) = place {
                    self.place(WatchKind::Bookmark, cursor);
                }
                let detail = "the node is stopping; go on at another with the last cursor";
                ApiError::new(Kind::Unavailable, detail)
            }
        };
        // Who is too slow has lost what waits.
        let mut last = if matches!(end, End::Stopping) { self.take() } else { Vec::new() };
        last.push(Err(error.into()));
        last
    }
}

fn message(kind: WatchKind, cursor: Option<&Cursor>) -> Message {
    let cursor = cursor.map(ToString::to_string).unwrap_or_default();
    Message { kind: named(kind).into(), cursor, resource: None, previous_status: 0 }
}

fn written(row: &Row) -> Bytes {
    show::resource(row).encode_to_vec().into()
}

const fn named(kind: WatchKind) -> v1::WatchKind {
    match kind {
        WatchKind::Snapshot => v1::WatchKind::Snapshot,
        WatchKind::Synced => v1::WatchKind::Synced,
        WatchKind::Declared => v1::WatchKind::Declared,
        WatchKind::Updated => v1::WatchKind::Updated,
        WatchKind::Transition => v1::WatchKind::Transition,
        WatchKind::Removed => v1::WatchKind::Removed,
        WatchKind::Bookmark => v1::WatchKind::Bookmark,
        // It is a status here.
        WatchKind::Overflow => v1::WatchKind::Unspecified,
    }
}
