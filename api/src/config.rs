//! `GET /api/v1/config`: the configuration in force and who has adopted it (SEMANTICS 19).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{ShardId, WallTime};
use raft::ConfigStatus;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{error::ApiError, headers::Stamp, query::NoQuery, state::ApiState};

/// The configuration in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Configuration)]
pub(crate) struct ConfigView {
    /// Its version, 0 where there is none yet.
    version: u64,
    /// SHA-256 of the document, in hexadecimal.
    digest: String,
    /// When it was loaded; null where there is none yet.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    loaded_at: Option<WallTime>,
    /// Where it was loaded from.
    file: String,
    /// The document.
    #[schema(value_type = Value)]
    document: Value,
    /// The version that each shard has adopted.
    shards: Vec<ConfigShardView>,
}

/// The version that a shard has adopted.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigurationShard)]
pub(crate) struct ConfigShardView {
    /// The shard.
    #[schema(value_type = u32)]
    shard: ShardId,
    /// The version.
    version: u64,
}

impl From<ConfigStatus> for ConfigView {
    fn from(status: ConfigStatus) -> Self {
        let shard = |(shard, version)| ConfigShardView { shard, version };
        // Version 0 is no document at all, whatever stands in its place.
        let loaded = status.version > 0;
        let text = if loaded { status.document } else { String::new() };
        Self {
            version: status.version,
            digest: status.digest,
            loaded_at: loaded.then_some(status.loaded_at),
            file: status.origin,
            document: match serde_json::from_str(&text) {
                Ok(document) => document,
                Err(_) if text.is_empty() => Value::Null,
                Err(_) => Value::String(text),
            },
            shards: status.shards.into_iter().map(shard).collect(),
        }
    }
}

/// Reads the configuration in force.
#[utoipa::path(
    get, path = "/api/v1/config", tag = "cluster", operation_id = "getConfiguration",
    responses((status = 200, description = "The configuration", body = ConfigView))
)]
pub(crate) async fn get_config(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let read = api.shards().config().await?;
    Ok((Stamp::of(&read), Json(ConfigView::from(read.value))).into_response())
}
