//! `Remove`: a resource is gone. Its last event says so.

use model::{ResourceId, event::EventKind};

use super::{Context, changes, events, register};
use crate::{
    command::{Refusal, Removal, Reply},
    query::ChangeKind,
};

pub(super) fn apply(context: &mut Context<'_>, removal: &Removal) -> Reply {
    let present = context.resource(&removal.id).cloned();
    if let Err(refusal) = register::check(present.as_deref(), &removal.owner, removal.precondition)
    {
        return Reply::Refused(refusal);
    }
    if present.is_none() {
        return Reply::Refused(Refusal::NotFound);
    }
    drop(present);
    remove(context, &removal.id);
    Reply::Removed { revision: context.revision }
}

/// Removes without looking at owners.
pub(super) fn remove(context: &mut Context<'_>, id: &ResourceId) {
    let Some(resource) = context.drop_resource(id) else { return };
    let mut last = (*resource).clone();
    events::publish(context, &mut last, EventKind::Removed, None, None);
    changes::record(context, ChangeKind::Removed, &std::sync::Arc::new(last), None, None);
}
