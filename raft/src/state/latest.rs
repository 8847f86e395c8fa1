//! Where each row changed last: what a watcher is told of rows between the changes that are
//! never coalesced (SEMANTICS 13).
//!
//! Invariant: a row is in here unless its last change is told by a record of its own, or lies
//! before everything that is kept. It follows from rows and records, and is not stored.

use std::{collections::BTreeMap, ops::Bound};

use model::{ResourceId, cursor::Position};

/// Ids by the position of their last change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Latest(BTreeMap<Position, ResourceId>);

impl Latest {
    /// A row changed again.
    pub(crate) fn moved(&mut self, from: Position, to: Position, id: ResourceId) {
        self.0.remove(&from);
        self.0.insert(to, id);
    }

    /// The change at a position is told otherwise, or its row is gone.
    pub(crate) fn remove(&mut self, at: Position) {
        self.0.remove(&at);
    }

    /// Forgets what lies at or before a position: nobody may ask for it any more.
    pub(crate) fn forget(&mut self, upto: Position) {
        while self.0.first_key_value().is_some_and(|(at, _)| *at <= upto) {
            self.0.pop_first();
        }
    }

    /// The rows that changed last with `after < position <= end`, in order.
    pub(crate) fn between(
        &self,
        after: Position,
        end: Option<Position>,
    ) -> impl Iterator<Item = (Position, &ResourceId)> {
        let end = end.map_or(Bound::Unbounded, Bound::Included);
        let is_empty = matches!(end, Bound::Included(end) if end <= after);
        let found = (!is_empty).then(|| self.0.range((Bound::Excluded(after), end)));
        found.into_iter().flatten().map(|(at, id)| (*at, id))
    }
}

/// Where a row changed last.
pub(crate) fn place_of(resource: &model::Resource) -> Position {
    let (revision, place) = resource.state.changed;
    Position { index: revision.0, place }
}
