//! Decides, and tells the world: row, event, index entries and change record together.

use std::sync::Arc;

use model::{
    HealthStatus, Metrics, Resource,
    event::{DecidedFrom, Event, EventKind},
    health::{Change, Input},
};

use super::{Context, changes};
use crate::{query::ChangeKind, query::FilterFields, state::OutboxRecord, store::keys::Kind};

/// Feeds one input to a resource's health and stores what follows from it.
pub(super) fn decide(
    context: &mut Context<'_>,
    mut resource: Resource,
    input: Input,
) -> Arc<Resource> {
    let spec = Arc::clone(&resource.spec);
    let change = resource.state.health.observe(&spec.policy, context.now(), &input);
    let Some(change) = change else {
        return context.update(resource);
    };
    let prior = context.resource(&spec.id).map(|row| row.state.health.clone());
    let former = FilterFields { health_status: change.from, ..FilterFields::of(&resource) };
    let decided_from = DecidedFrom {
        input,
        prior: prior.unwrap_or_default(),
        generation: resource.identity.generation,
        config_version: context.state.head.config_version,
    };
    resource.state.health_since = context.wall().max(resource.state.health_since);
    context.state.index.move_status(&spec.id, change.from, change.to);
    publish(context, &mut resource, EventKind::StatusUpdated, Some(&change), Some(decided_from));
    let row = context.update(resource);
    changes::record(context, ChangeKind::Transition, &row, Some(former), Some(change.from));
    row
}

/// Appends an event to the outbox and counts it in the resource's sequence (SEMANTICS 8).
pub(super) fn publish(
    context: &mut Context<'_>,
    resource: &mut Resource,
    kind: EventKind,
    change: Option<&Change>,
    decided_from: Option<DecidedFrom>,
) {
    let sequence = resource.state.sequence.next();
    let offset = context.state.head.outbox_head.next();
    resource.state.sequence = sequence;
    context.state.head.outbox_head = offset;
    let event = Event {
        kind,
        resource_id: resource.id().clone(),
        resource_type: resource.spec.resource_type,
        incarnation: resource.identity.incarnation,
        sequence,
        shard: context.shard(),
        offset,
        term: context.term,
        revision: context.revision,
        time: context.wall(),
        status: resource.status(),
        previous: change.map(|change| change.from).or(previous_of(kind, resource)),
        reason: resource.state.health.reason(),
        metrics: metrics_of(decided_from.as_ref(), resource),
        suppressed_by: resource.state.suppressed_by.clone(),
        decided_from: decided_from.map(Box::new),
    };
    let index = context.keys.event(&event.resource_id, event.incarnation, sequence.0);
    context.put(index, &offset.0);
    let record = OutboxRecord { at: context.now(), event };
    context.put(context.keys.number(Kind::Outbox, offset.0), &record);
}

fn previous_of(kind: EventKind, resource: &Resource) -> Option<HealthStatus> {
    match kind {
        EventKind::Removed => Some(resource.status()),
        EventKind::Declared | EventKind::StatusUpdated => None,
    }
}

/// What it was decided with; the last known measurements where the input had none.
fn metrics_of(decided_from: Option<&DecidedFrom>, resource: &Resource) -> Metrics {
    match decided_from.map(|from| &from.input) {
        Some(Input::Observed(_, metrics)) => metrics.clone(),
        _ => resource.state.metrics.clone(),
    }
}

impl crate::store::record::Record for u64 {
    const VERSION: u8 = 1;
}
