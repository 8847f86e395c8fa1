//! `Register`: declares a resource, or declares it anew.
//!
//! Declaring what is already so changes nothing (SEMANTICS 17). A new id gets a new incarnation
//! and its first event; a changed declaration gets a new generation and keeps its health.

use std::sync::Arc;

use model::{
    Generation, Health, Incarnation, Metrics, Owner, Resource, ResourceSpec, Revision, Sequence,
    event::EventKind,
    health::Input,
    resource::{Identity, ResourceState},
    schedule::Epoch,
    slots::Ledger,
};

use super::{Context, changes, events};
use crate::{
    command::{DeclareOutcome, Precondition, Refusal, Registration, Reply},
    query::{ChangeKind, FilterFields},
};

/// The most resources of one shard.
const MOST: usize = 1_000_000;

pub(super) fn apply(context: &mut Context<'_>, registration: &Registration) -> Reply {
    let Registration { spec, owner, precondition } = registration;
    let present = context.resource(&spec.id).cloned();
    if let Err(refusal) = check(present.as_deref(), owner, *precondition) {
        return Reply::Refused(refusal);
    }
    let (outcome, row) = declare(context, spec.clone(), owner.clone());
    match outcome {
        Some(outcome) => Reply::Declared { outcome, resource: Box::new((*row).clone()) },
        None => Reply::Refused(Refusal::Full(format!("a shard holds at most {MOST} resources"))),
    }
}

/// Whether a writer may change what is there, and finds it as expected.
pub(super) fn check(
    present: Option<&Resource>,
    owner: &Owner,
    precondition: Precondition,
) -> Result<(), Refusal> {
    let generation = present.map(|resource| resource.identity.generation);
    let met = match precondition {
        Precondition::None => true,
        Precondition::Absent => present.is_none(),
        Precondition::Exists => present.is_some(),
        Precondition::Generation(expected) => generation == Some(Generation(expected)),
    };
    if let Some(resource) = present
        && resource.identity.owner != *owner
    {
        return Err(Refusal::OwnedBy(resource.identity.owner.clone()));
    }
    if met { Ok(()) } else { Err(Refusal::Precondition(generation)) }
}

/// Declares without looking at owners. `None` where the shard is full.
pub(super) fn declare(
    context: &mut Context<'_>,
    spec: ResourceSpec,
    owner: Owner,
) -> (Option<DeclareOutcome>, Arc<Resource>) {
    match context.resource(&spec.id).cloned() {
        Some(present) if *present.spec == spec && present.identity.owner == owner => {
            (Some(DeclareOutcome::Unchanged), present)
        }
        Some(present) => {
            (Some(DeclareOutcome::Replaced), replace(context, (*present).clone(), spec, owner))
        }
        None => {
            let full = context.state.resources.len() >= MOST;
            let fresh = fresh(context, spec, owner);
            if full {
                return (None, Arc::new(fresh));
            }
            (Some(DeclareOutcome::Created), create(context, fresh))
        }
    }
}

fn fresh(context: &mut Context<'_>, spec: ResourceSpec, owner: Owner) -> Resource {
    let position = context.next_position();
    let epoch = Epoch::new(0, context.now(), spec.slot_interval(), &spec.id);
    let (now, wall) = (context.now(), context.wall());
    Resource {
        identity: Identity {
            owner,
            incarnation: Incarnation { index: position.index, position: position.place },
            generation: Generation(context.revision.0),
            config_version: context.state.head.config_version,
        },
        state: ResourceState {
            health: Health::default(),
            metrics: Metrics::default(),
            last_updated: wall,
            heard: now,
            pushed_at: None,
            health_since: wall,
            sequence: Sequence(0),
            changed: (Revision(0), 0),
            ledger: Ledger::new(epoch),
            suppressed_by: None,
        },
        spec: Arc::new(spec),
    }
}

fn create(context: &mut Context<'_>, mut resource: Resource) -> Arc<Resource> {
    context.put_spec(&resource);
    context.state.index.insert(&resource);
    events::publish(context, &mut resource, EventKind::Declared, None, None);
    let row = context.update(resource);
    changes::record(context, ChangeKind::Declared, &row, None, None);
    enter_maintenance(context, row)
}

fn replace(
    context: &mut Context<'_>,
    mut resource: Resource,
    spec: ResourceSpec,
    owner: Owner,
) -> Arc<Resource> {
    let former = FilterFields::of(&resource);
    context.state.index.remove(&resource);
    let interval = spec.slot_interval();
    resource.spec = Arc::new(spec);
    resource.identity.owner = owner;
    resource.identity.generation = Generation(context.revision.0);
    resource.identity.config_version = context.state.head.config_version;
    context.state.index.insert(&resource);
    if resource.state.ledger.epoch().interval != interval {
        start_epoch(context, &mut resource);
    }
    context.put_spec(&resource);
    let row = events::decide(context, resource, Input::Redeclared);
    changes::record(context, ChangeKind::Declared, &row, Some(former), None);
    enter_maintenance(context, row)
}

/// A changed interval starts a new schedule epoch (SEMANTICS 6).
fn start_epoch(context: &mut Context<'_>, resource: &mut Resource) {
    let now = context.now();
    let number = resource.state.ledger.epoch().number + 1;
    let epoch = Epoch::new(number, now, resource.spec.slot_interval(), resource.id());
    let (runs, over) = resource.state.ledger.restart(epoch, now);
    super::observe::store_runs(context, resource, &runs);
    let key = context.keys.epoch(resource.id(), over.epoch.number);
    context.put(key, &over);
}

/// Windows hold for resources that are declared later, too (SEMANTICS 18).
fn enter_maintenance(context: &mut Context<'_>, row: Arc<Resource>) -> Arc<Resource> {
    super::maintenance::refresh(context, row)
}

impl crate::store::record::Record for model::slots::ClosedEpoch {
    const VERSION: u8 = 1;
}
