//! What actors keep of a resource: its declaration and its schedule.
//!
//! Invariant: nothing of it changes with an observation. The row does, and is held by the shard
//! alone: a second one here would be out of date and cost as much again.

use std::sync::Arc;

use model::{
    HealthStatus, Resource, ResourceId, ResourceSpec, ids::Generation, ids::Incarnation,
    schedule::Epoch,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) spec: Arc<ResourceSpec>,
    pub(crate) incarnation: Incarnation,
    pub(crate) generation: Generation,
    pub(crate) epoch: Epoch,
    /// The first slot that had not ended when this was taken from the row.
    pub(crate) next: u64,
    /// Whether it was healthy then.
    pub(crate) healthy: bool,
}

impl Declared {
    pub(crate) fn id(&self) -> &ResourceId {
        &self.spec.id
    }
}

impl From<&Resource> for Declared {
    fn from(resource: &Resource) -> Self {
        let Resource { spec, identity, state } = resource;
        Self {
            spec: Arc::clone(spec),
            incarnation: identity.incarnation,
            generation: identity.generation,
            epoch: *state.ledger.epoch(),
            next: state.ledger.next(),
            healthy: state.health.beneath() == HealthStatus::Healthy,
        }
    }
}
