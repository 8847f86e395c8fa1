//! The change index behind watches: what is never coalesced is written here (SEMANTICS 13).

use std::sync::Arc;

use model::{HealthStatus, Resource};

use super::Context;
use crate::{
    query::{ChangeKind, ChangeRecord, FilterFields},
    state::place_of,
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
    context.state.latest.remove(place_of(row));
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
