//! Where a watch begins.

use std::collections::VecDeque;

use model::cursor::Cursor;
use raft::{Consistency, Filter, ListQuery, Page, ReadError, Row, Shards};

/// See the module.
pub(super) enum Start {
    /// After a cursor that the client has.
    Resume(Cursor),
    /// With all rows, then after the cursor.
    Snapshot(Box<Snapshot>),
}

/// The rows as they are, and where the changes to them begin.
pub(super) struct Snapshot {
    /// Taken before the rows.
    pub(super) cursor: Cursor,
    /// What asks for the rows after these; without `after` there are none.
    pub(super) question: ListQuery,
    /// Rows that were not told yet.
    pub(super) rows: VecDeque<Row>,
}

impl Start {
    /// Finds out where a watch begins, while an error can still be a status.
    pub(super) async fn find(
        shards: &Shards,
        cursor: Option<Cursor>,
        filter: &Filter,
        limit: usize,
    ) -> Result<Self, ReadError> {
        if let Some(cursor) = cursor {
            shards.check_cursor(&cursor).await?;
            return Ok(Self::Resume(cursor));
        }
        // Taken before the rows: what changes while they are read is told again, never missed.
        let cursor = shards.cursor();
        let question = ListQuery {
            filter: filter.clone(),
            after: None,
            limit,
            consistency: Consistency::Stale,
            partial: false,
        };
        let first = shards.list(&question).await?.value;
        let mut snapshot = Snapshot { cursor, question, rows: VecDeque::new() };
        snapshot.turn_to(first);
        Ok(Self::Snapshot(Box::new(snapshot)))
    }
}

impl Snapshot {
    /// Goes on with the next page.
    pub(super) fn turn_to(&mut self, page: Page) {
        self.rows = page.rows.into();
        self.question.after = page.next;
    }
}
