//! The change index behind watches: what is never coalesced is written here (SEMANTICS 13).

use std::sync::Arc;

use model::{HealthStatus, Resource, cursor::Position};

use super::Context;
use crate::{
    query::{ChangeKind, ChangeRecord, FilterFields},
    store::keys::Kind,
};

pub(super) fn record(
    context: &mut Context<'_>,
    kind: ChangeKind,
    row: &Arc<Resource>,
    former: Option<FilterFields>,
    previous: Option<HealthStatus>,
) {
    // Who is told this is not told the row once more as `updated`.
    let (revision, place) = row.state.changed;
    let told = Position { index: revision.0, place };
    context.delete(context.keys.position(Kind::Updated, told));
    let position = context.next_position();
    let record = ChangeRecord {
        at: context.now(),
        term: context.term,
        kind,
        row: Arc::clone(row),
        former,
        previous,
    };
    let size = context.put(context.keys.position(Kind::Change, position), &record);
    context.state.head.change_bytes += size as u64;
}
