//! A maintenance window as clients see it.

use std::collections::BTreeSet;

use model::{ResourceId, ShardId, WallTime};
use raft::MaintenanceView;
use serde::Serialize;
use utoipa::ToSchema;

/// A maintenance window.
#[derive(Serialize, ToSchema)]
#[schema(as = Maintenance)]
pub(crate) struct WindowView {
    /// Its name.
    name: String,
    /// Resources with matching labels.
    #[schema(required)]
    selector: Option<String>,
    /// Resources by id.
    #[schema(value_type = Vec<String>)]
    resource_ids: BTreeSet<ResourceId>,
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    starts_at: WallTime,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    ends_at: WallTime,
    /// Why.
    reason: String,
    /// Raised with every change.
    version: u64,
    /// Shards that have not taken it over yet.
    #[schema(value_type = Vec<u32>)]
    missing_shards: Vec<ShardId>,
}

impl WindowView {
    pub(super) fn of(found: MaintenanceView) -> Self {
        let MaintenanceView { window, version, missing } = found;
        Self {
            name: window.name,
            selector: window.selector.map(|selector| selector.to_string()),
            resource_ids: window.resource_ids,
            starts_at: window.starts_at,
            ends_at: window.ends_at,
            reason: window.reason,
            version,
            missing_shards: missing,
        }
    }
}

/// A maintenance window as it is asked for: `selector`, `resource_ids` or both.
#[derive(ToSchema)]
#[schema(as = MaintenanceRequest, examples(json!({
    "selector": "team=shop", "ends_at": "2026-11-21T12:00:00Z", "reason": "database upgrade"
})))]
#[expect(dead_code, reason = "describes what the model's decoder reads")]
pub(crate) struct WindowRequest {
    /// Resources with matching labels.
    selector: Option<String>,
    /// Resources by id.
    resource_ids: Option<Vec<String>>,
    /// When it begins; now where absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<String>,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    ends_at: String,
    /// Why.
    reason: Option<String>,
}
