//! `GET …/clusters/{cluster_id}/health`: a watched cluster as a whole.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{HealthStatus, rollup::ClusterHealth};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, Kind},
    headers::Stamp,
    path::NamePath,
    query::Query,
    state::ApiState,
    view::health_statuses,
};

/// The health of a watched cluster.
#[derive(Serialize, ToSchema)]
#[schema(as = ClusterHealth)]
pub(crate) struct ClusterHealthView {
    /// The id that its parts name.
    cluster_id: String,
    /// Its name; the id where it has none.
    cluster_name: String,
    /// HEALTHY, WARNING, CRITICAL, UNKNOWN or MAINTENANCE.
    #[schema(schema_with = health_statuses)]
    overall_health: HealthStatus,
    /// Its nodes.
    node_count: u64,
    /// Nodes that are HEALTHY.
    healthy_nodes: u64,
    /// Its pods.
    pod_count: u64,
    /// Pods that are HEALTHY.
    running_pods: u64,
}

impl From<ClusterHealth> for ClusterHealthView {
    fn from(health: ClusterHealth) -> Self {
        Self {
            cluster_id: health.cluster_id,
            cluster_name: health.cluster_name,
            overall_health: health.overall_health,
            node_count: health.node_count,
            healthy_nodes: health.healthy_nodes,
            pod_count: health.pod_count,
            running_pods: health.running_pods,
        }
    }
}

/// Rolls the parts of a watched cluster up.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/clusters/{cluster_id}/health", tag = "resources",
    operation_id = "getClusterHealth",
    params(
        ("cluster_id" = String, Path, description = "The id that the parts name in `cluster_id`", min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"),
        ("consistency" = Option<String>, Query, description = "`linearizable` (the default) or `stale`", pattern = "^(linearizable|stale)$"),
        ("partial" = Option<String>, Query, description = "`allow`: answer with the shards that do", pattern = "^allow$"),
    ),
    responses((status = 200, description = "The cluster's health", body = ClusterHealthView))
)]
pub(crate) async fn get_cluster_health(
    State(api): State<ApiState>,
    NamePath(cluster_id): NamePath,
    query: Query,
) -> Result<Response, ApiError> {
    let (stamp, health) = rolled_up(&api, &cluster_id, query).await?;
    Ok((stamp, Json(ClusterHealthView::from(health))).into_response())
}

/// Answers the question that the parameters are.
pub(crate) async fn rolled_up(
    api: &ApiState,
    cluster_id: &str,
    mut query: Query,
) -> Result<(Stamp, ClusterHealth), ApiError> {
    let (consistency, partial) = (query.consistency(), query.partial());
    query.finish()?;
    let read = api.shards().cluster_health(cluster_id, consistency, partial).await?;
    let stamp = Stamp::of(&read);
    let health = read.value.ok_or_else(|| {
        let detail = format!("no resource names the cluster_id {cluster_id:?}");
        ApiError::new(Kind::NotFound, detail).with_headers(stamp.headers())
    })?;
    Ok((stamp, health))
}
