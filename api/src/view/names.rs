//! The closed lists of the vocabulary, for the description of the API.

use model::{HealthStatus, ResourceType};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A resource type.
pub(crate) fn resource_types() -> Object {
    one_of(ResourceType::ALL.iter().map(|resource_type| resource_type.as_str()))
}

/// A health.
pub(crate) fn health_statuses() -> Object {
    one_of(HealthStatus::ALL.into_iter().map(HealthStatus::as_str))
}

fn one_of(names: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}
