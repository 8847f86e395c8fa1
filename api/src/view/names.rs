//! The closed lists of the vocabulary, for the description of the API.

use model::{HealthStatus, ResourceType};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A resource type.
pub(crate) fn resource_types() -> Object {
    one_of("What kind of thing it is", ResourceType::ALL.iter().map(|known| known.as_str()))
}

/// A health.
pub(crate) fn health_statuses() -> Object {
    one_of("How it is", HealthStatus::ALL.into_iter().map(HealthStatus::as_str))
}

fn one_of(meaning: &str, names: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(meaning))
        .enum_values(Some(names))
        .build()
}
