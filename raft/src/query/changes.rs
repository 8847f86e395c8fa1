//! A shard's changes after a position, merged from what is never coalesced and the latest rows.

use std::{io, ops::ControlFlow, sync::Arc};

use model::{
    HealthStatus, Resource, ShardId, ShardTime, Term,
    cursor::{Cursor, Position},
};
use serde::{Deserialize, Serialize};

use super::{Change, ChangeKind, ChangePage, FilterFields, Row, events::corrupt};
use crate::{
    disk::{Space, View},
    error::ReadError,
    node::Shards,
    state::State,
    store::{
        keys::{Keys, Kind, position_of},
        record::{Damaged, Record, decode},
    },
};

/// A change that is never coalesced, with the row as it was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangeRecord {
    pub(crate) at: ShardTime,
    pub(crate) term: Term,
    pub(crate) kind: ChangeKind,
    pub(crate) row: Arc<Resource>,
    pub(crate) former: Option<FilterFields>,
    pub(crate) previous: Option<HealthStatus>,
}

impl Record for ChangeRecord {
    const VERSION: u8 = 1;
}

impl Shards {
    /// Where every shard is now: a watch from here is told everything that follows.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let positions = self.shard_groups().iter().map(|group| {
            // The lock makes sure that what this position covers can be read.
            let _state = group.replica.state.read();
            (group.shard, Position { index: group.replica.revision().0, place: u32::MAX })
        });
        Cursor { cluster_incarnation: self.cluster().incarnation, shards: positions.collect() }
    }

    /// Whether a watch can go on from a cursor. Where this node is behind it, it catches up first.
    ///
    /// # Errors
    /// It belongs to another cluster, is older than what is kept, or this node does not catch up.
    pub async fn check_cursor(&self, cursor: &Cursor) -> Result<(), ReadError> {
        if cursor.cluster_incarnation != self.cluster().incarnation
            || cursor.shards.keys().any(|shard| shard.0 >= self.shard_count())
        {
            return Err(ReadError::ForeignCursor);
        }
        for group in self.shard_groups() {
            let position = cursor.shards.get(&group.shard).copied().unwrap_or_default();
            let is_behind = || position.index > group.log.last().map_or(0, |id| id.index);
            if is_behind() {
                group.barrier().await?;
                if is_behind() {
                    return Err(ReadError::ForeignCursor);
                }
            }
            if position < group.replica.state.read().head.change_floor {
                return Err(ReadError::Gone);
            }
        }
        Ok(())
    }

    /// Up to `limit` of a shard's changes after a position.
    ///
    /// # Errors
    /// The position is older than what is kept, or a record is damaged.
    pub fn changes(
        &self,
        shard: ShardId,
        after: Position,
        limit: usize,
    ) -> Result<ChangePage, ReadError> {
        let replica = &self.group(shard).replica;
        let state = replica.state.read();
        let read = page(replica.disk.as_ref(), replica.keys, &state, shard, after, limit);
        drop(state);
        read.map_err(corrupt)?.ok_or(ReadError::Gone)
    }
}

impl Shards {
    /// Up to `limit` of a shard's changes after a position that are never coalesced:
    /// declarations, transitions and removals.
    ///
    /// # Errors
    /// The position is older than what is kept, or a record is damaged.
    pub fn declarations(
        &self,
        shard: ShardId,
        after: Position,
        limit: usize,
    ) -> Result<ChangePage, ReadError> {
        let replica = &self.group(shard).replica;
        let state = replica.state.read();
        if after < state.head.change_floor {
            return Err(ReadError::Gone);
        }
        let changes = recorded(replica.disk.as_ref(), replica.keys, shard, after, limit);
        let end = Position { index: state.applied, place: u32::MAX }.max(after);
        drop(state);
        let changes = changes.map_err(corrupt)?;
        let more = changes.len() >= limit;
        let upto = changes.last().filter(|_| more).map_or(end, |last| last.position);
        Ok(ChangePage { changes, upto, more })
    }
}

/// Reads up to `limit` changes after `after`. `None` where older changes than that were
/// forgotten (SEMANTICS 13). The caller holds the state still, so store and memory agree.
pub(crate) fn page(
    view: &dyn View,
    keys: Keys,
    state: &State,
    shard: ShardId,
    after: Position,
    limit: usize,
) -> io::Result<Option<ChangePage>> {
    if after < state.head.change_floor {
        return Ok(None);
    }
    // A page of nothing would never come to an end.
    let limit = limit.max(1);
    let mut changes = recorded(view, keys, shard, after, limit)?;
    let full = changes.len() >= limit;
    // Where the records fill the page, the latest rows are told up to its end only.
    let end = if full { changes.last().map(|change| change.position) } else { None };
    changes.extend(latest_rows(state, shard, after, end).take(limit + 1));
    changes.sort_by_key(|change| change.position);
    let more = full || changes.len() > limit;
    changes.truncate(limit);
    let upto = match (more, changes.last()) {
        (true, Some(last)) => last.position,
        _ => Position { index: state.applied, place: u32::MAX }.max(after),
    };
    Ok(Some(ChangePage { changes, upto, more }))
}

fn recorded(
    view: &dyn View,
    keys: Keys,
    shard: ShardId,
    after: Position,
    limit: usize,
) -> io::Result<Vec<Change>> {
    let mut found = Vec::new();
    visit(view, keys, after, &mut |position, key, bytes| {
        let record: ChangeRecord = decode(key, bytes)?;
        let row = Row { resource: record.row, shard, term: record.term };
        let ChangeRecord { kind, former, previous, .. } = record;
        found.push(Change { position, kind, row, former, previous });
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

fn latest_rows(
    state: &State,
    shard: ShardId,
    after: Position,
    end: Option<Position>,
) -> impl Iterator<Item = Change> {
    state.latest.between(after, end).filter_map(move |(position, id)| {
        let resource = Arc::clone(state.resources.get(id)?);
        let row = Row { resource, shard, term: state.head.term };
        Some(Change { position, kind: ChangeKind::Updated, row, former: None, previous: None })
    })
}

/// Takes a change in; says whether it wants more.
type Take<'a> = &'a mut dyn FnMut(Position, &[u8], &[u8]) -> Result<bool, Damaged>;

/// Visits the changes that are never coalesced after `after`, until `take` has enough.
fn visit(view: &dyn View, keys: Keys, after: Position, take: Take<'_>) -> io::Result<()> {
    let (_, last) = keys.all(Kind::Change);
    let from = keys.position(Kind::Change, after);
    let mut outcome = Ok(());
    view.scan(Space::State, &from, &last, &mut |key, bytes| {
        let Some(position) = position_of(key) else { return ControlFlow::Continue(()) };
        if position <= after {
            return ControlFlow::Continue(());
        }
        match take(position, key, bytes) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(damaged) => {
                outcome = Err(damaged);
                ControlFlow::Break(())
            }
        }
    })?;
    Ok(outcome?)
}
