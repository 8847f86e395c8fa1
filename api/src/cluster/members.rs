//! Changes who the nodes of the cluster are: founding, draining, removing.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::NodeId;
use raft::{NodeRecord, NodeStanding};

use crate::{
    error::{ApiError, Kind, refusal},
    headers::Stamp,
    path::NamePath,
    query::{NoQuery, Query},
    state::ApiState,
};

/// Founds a cluster with this node as its first. A node of a cluster refuses.
#[utoipa::path(
    post, path = "/api/v1/cluster/init", tag = "cluster", operation_id = "initCluster",
    params(("alone" = Option<String>, Query,
        description = "Also where configured peers do not answer", pattern = "^(|true|false|1|0)$")),
    responses(
        (status = 409, description = "This node is a member of a cluster",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn init_cluster(
    State(api): State<ApiState>,
    query: Query,
) -> Result<Response, ApiError> {
    alone(query)?;
    let (cluster, node) = (api.shards().cluster(), api.shards().node_id());
    let detail = format!(
        "this node is node {node} of cluster {:?} ({}), which is founded; nodes join it by \
         themselves once their `peers` name one of its nodes",
        cluster.name, cluster.id
    );
    Err(ApiError::new(Kind::Conflict, detail))
}

/// `?alone`.
pub(crate) fn alone(mut query: Query) -> Result<bool, ApiError> {
    let read = |text: &str| match text {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected no value, `true` or `false`"),
    };
    let alone = query.take("alone", read).unwrap_or_default();
    query.finish()?;
    Ok(alone)
}

/// Moves a node's leads and replicas to others.
#[utoipa::path(
    post, path = "/api/v1/cluster/nodes/{node}/drain", tag = "cluster", operation_id = "drainNode",
    params(("node" = String, Path, description = "Its id or name", max_length = 63,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")),
    responses(
        (status = 204, description = "It is draining; the cluster shows how far it is"),
        (status = 404, description = "There is no such node",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn drain_node(
    state: State<ApiState>,
    NamePath(node): NamePath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    answered(&state, stand(&state, &node, NodeStanding::Draining).await?)
}

/// Ends the draining of a node: it takes replicas and leads again.
#[utoipa::path(
    post, path = "/api/v1/cluster/nodes/{node}/resume", tag = "cluster", operation_id = "resumeNode",
    params(("node" = String, Path, description = "Its id or name", max_length = 63,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")),
    responses(
        (status = 204, description = "It takes part again"),
        (status = 404, description = "There is no such node",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume_node(
    state: State<ApiState>,
    NamePath(node): NamePath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    answered(&state, stand(&state, &node, NodeStanding::Active).await?)
}

/// Takes a node out of the cluster for good. Refused where a group would lose its quorum.
#[utoipa::path(
    delete, path = "/api/v1/cluster/nodes/{node}", tag = "cluster", operation_id = "removeNode",
    params(("node" = String, Path, description = "Its id or name", max_length = 63,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")),
    responses(
        (status = 204, description = "It is removed; its replicas go to others"),
        (status = 404, description = "There is no such node",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "A group would lose its quorum",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remove_node(
    state: State<ApiState>,
    NamePath(node): NamePath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    answered(&state, remove(&state, &node).await?)
}

/// Takes a node out, where every group keeps its quorum.
pub(crate) async fn remove(api: &ApiState, node: &str) -> Result<(), ApiError> {
    let (id, record) = find(api, node)?;
    let left = api.shards().nodes_left();
    let leads = api.shards().leads_of(id).await;
    if leads > 0 {
        let name = &record.facts.name;
        let detail = format!(
            "node {id} ({name}) leads {leads} groups; drain it first: bellwether cluster drain {name}"
        );
        return Err(ApiError::new(Kind::Conflict, detail));
    }
    let lost = api.shards().would_lose(id).await?;
    if let Some(first) = lost.first() {
        let name = &record.facts.name;
        let detail = format!(
            "without node {id} ({name}) {} of the groups, the first of them group {first}, would \
             have no majority; start the nodes that are away, or add one, and try again",
            lost.len()
        );
        return Err(ApiError::new(Kind::Conflict, detail));
    }
    set(api, id, NodeStanding::Removed, left).await
}

/// Has a node drained, or take part again.
pub(crate) async fn stand(
    api: &ApiState,
    node: &str,
    standing: NodeStanding,
) -> Result<(), ApiError> {
    let (id, _) = find(api, node)?;
    set(api, id, standing, 0).await
}

async fn set(
    api: &ApiState,
    node: NodeId,
    standing: NodeStanding,
    left: usize,
) -> Result<(), ApiError> {
    let changed = api.shards().set_standing(node, standing, left).await?;
    changed.map_err(|why| refusal(&why, &node))
}

fn answered(api: &ApiState, (): ()) -> Result<Response, ApiError> {
    let stamp = Stamp::own(api.own_revision());
    Ok((StatusCode::NO_CONTENT, stamp.headers()).into_response())
}

/// A node by its id, or by its name if it has not left.
fn find(api: &ApiState, node: &str) -> Result<(NodeId, NodeRecord), ApiError> {
    let id = node.parse().ok().map(NodeId);
    let nodes = api.shards().nodes().into_iter();
    let mut found = nodes.filter(|(known, record)| {
        let here = record.standing != NodeStanding::Removed;
        Some(*known) == id || (here && record.facts.name.eq_ignore_ascii_case(node))
    });
    found.next().ok_or_else(|| {
        let detail = format!("there is no node {node}; `bellwether cluster status` shows them");
        ApiError::new(Kind::NotFound, detail)
    })
}
