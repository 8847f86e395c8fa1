//! The latest changes of each shard, shared by all watches of a node: read once from the store and
//! written out once, however many are told of them.

mod tail;

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use model::{ShardId, cursor::Position};
use parking_lot::Mutex;
use raft::{Change, ChangePage, ReadError, Row, Shards};

use super::{frame, select::Kind};
use tail::{Item, Page, Tail};

const PAGE: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recent {
    /// In the order of the shards' numbers.
    tails: Vec<Mutex<Tail<Arc<Told>>>>,
}

/// A change, and what was written of it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) change: Change,
    /// As what it is.
    own: OnceLock<Bytes>,
    /// As the end of a row that leaves the filters.
    removed: OnceLock<Bytes>,
    /// The row, as a message of gRPC.
    message: OnceLock<Bytes>,
}

impl Recent {
    pub(crate) fn new(shards: u32) -> Self {
        Self { tails: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Changes of a shard after a position.
    ///
    /// # Errors
    /// The position is older than what is kept, or a record is damaged.
    pub(super) fn after(
        &self,
        shards: &Shards,
        shard: ShardId,
        position: Position,
    ) -> Result<Page<Arc<Told>>, ReadError> {
        let read = |after| shards.changes(shard, after, PAGE).map(page);
        let applied = Position { index: shards.applied(shard).borrow().0, place: u32::MAX };
        let tail = usize::try_from(shard.0).ok().and_then(|n| self.tails.get(n));
        let shared = tail.map(|tail| tail.lock().after(position, applied, read));
        match shared.transpose()?.flatten() {
            Some(page) => Ok(page),
            None => read(position),
        }
    }
}

impl Told {
    /// The change as it is told under `kind`.
    pub(super) fn data(&self, kind: Kind) -> &Bytes {
        let written = if kind == Kind::of(self.change.kind) { &self.own } else { &self.removed };
        written.get_or_init(|| frame::data(kind, &self.change))
    }

    /// The row as a message of gRPC, which `write` writes.
    pub(crate) fn message(&self, write: impl FnOnce(&Row) -> Bytes) -> &Bytes {
        self.message.get_or_init(|| write(&self.change.row))
    }
}

impl Item for Arc<Told> {
    fn bytes(&self) -> usize {
        [&self.own, &self.removed, &self.message]
            .into_iter()
            .filter_map(OnceLock::get)
            .map(Bytes::len)
            .sum()
    }
}

fn page(page: ChangePage) -> Page<Arc<Told>> {
    let told = |change: Change| {
        let position = change.position;
        let (own, removed, message) = Default::default();
        (position, Arc::new(Told { change, own, removed, message }))
    };
    let ChangePage { changes, upto, more } = page;
    Page { items: changes.into_iter().map(told).collect(), upto, more }
}
