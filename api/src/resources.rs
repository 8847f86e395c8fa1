//! The resources: listed, read, declared, removed, and told about.

mod declaration;
mod declare;
mod list;
mod metrics;
mod observation;
mod observe;
mod observe_by_time;
mod policy;
mod read;
mod remove;
mod write;

pub(crate) use declare::*;
pub(crate) use list::*;
pub(crate) use metrics::*;
pub(crate) use observe::*;
pub(crate) use observe_by_time::*;
pub(crate) use policy::*;
pub(crate) use read::*;
pub(crate) use remove::*;

use model::ResourceId;

use crate::error::{ApiError, Kind};

/// Where the resources are.
pub(crate) const RESOURCES: &str = "/api/v1/infrastructure/resources";

/// There is no such resource.
pub(crate) fn not_found(id: &ResourceId) -> ApiError {
    ApiError::new(Kind::NotFound, format!("there is no resource {id}; {RESOURCES} lists them"))
}
