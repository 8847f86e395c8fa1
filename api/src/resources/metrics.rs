//! `GET …/nodes/{node_id}/metrics`: the measurements of a node, by id or by name.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{ResourceId, ResourceType};
use raft::{Consistency, Filter, ListQuery, Read, Row};

use crate::{
    error::{ApiError, Kind},
    headers::Stamp,
    path::NamePath,
    query::Query,
    state::ApiState,
    view::MetricsView,
};

const NODES: [ResourceType; 2] = [ResourceType::KubernetesNode, ResourceType::Host];

/// Reads the measurements of a node: a KUBERNETES_NODE or HOST with this id or name.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/nodes/{node_id}/metrics", tag = "resources",
    operation_id = "getNodeMetrics",
    params(
        ("node_id" = String, Path, description = "The node's id or name", min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"),
        ("consistency" = Option<String>, Query, description = "`linearizable` (the default) or `stale`", pattern = "^(linearizable|stale)$"),
    ),
    responses((status = 200, description = "What was measured last", body = MetricsView))
)]
pub(crate) async fn get_node_metrics(
    State(api): State<ApiState>,
    NamePath(name): NamePath,
    mut query: Query,
) -> Result<Response, ApiError> {
    let consistency = query.consistency();
    query.finish()?;
    let read = find_node(&api, &name, consistency).await?;
    let metrics = MetricsView::of(&read.value.resource.state.metrics);
    Ok((Stamp::of(&read), Json(metrics)).into_response())
}

/// The row of a node with this id or name.
pub(crate) async fn find_node(
    api: &ApiState,
    name: &str,
    consistency: Consistency,
) -> Result<Read<Row>, ApiError> {
    if let Some(read) = by_id(api, name, consistency).await? {
        return Ok(read);
    }
    for resource_type in NODES {
        if let Some(read) = by_name(api, name, resource_type, consistency).await? {
            return Ok(read);
        }
    }
    let detail = format!("there is no KUBERNETES_NODE or HOST with the id or name {name:?}");
    Err(ApiError::new(Kind::NotFound, detail))
}

async fn by_id(
    api: &ApiState,
    name: &str,
    consistency: Consistency,
) -> Result<Option<Read<Row>>, ApiError> {
    let Ok(id) = ResourceId::new(name) else { return Ok(None) };
    let Read { value, revision, served, missing } = api.shards().get(&id, consistency).await?;
    let row = value.filter(|row| NODES.contains(&row.resource.spec.resource_type));
    Ok(row.map(|value| Read { value, revision, served, missing }))
}

async fn by_name(
    api: &ApiState,
    name: &str,
    resource_type: ResourceType,
    consistency: Consistency,
) -> Result<Option<Read<Row>>, ApiError> {
    let filter = Filter {
        resource_type: Some(resource_type),
        name_prefix: Some(name.to_owned()),
        ..Filter::default()
    };
    let limit = api.limits().list_default;
    let mut question = ListQuery { filter, limit, consistency, ..ListQuery::default() };
    loop {
        let Read { value: page, revision, served, missing } = api.shards().list(&question).await?;
        let found = page.rows.into_iter().find(|row| row.resource.spec.name == name);
        if let Some(value) = found {
            return Ok(Some(Read { value, revision, served, missing }));
        }
        match page.next {
            Some(after) => question.after = Some(after),
            None => return Ok(None),
        }
    }
}
