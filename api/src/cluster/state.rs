//! `GET /api/v1/cluster`: nodes, shards, leaders, terms and lag, as this node sees them.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{NodeId, Revision, ShardId, Term};
use raft::{ShardStatus, Shards};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::ApiError, headers::Stamp, query::NoQuery, state::ApiState};

/// The cluster as one of its nodes sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Cluster)]
pub(crate) struct ClusterView {
    /// Its id, assigned when it was founded.
    id: String,
    /// Its name.
    name: String,
    /// Its life: raised when it is restored.
    incarnation: u64,
    /// The node that answers.
    #[schema(value_type = u64)]
    node_id: NodeId,
    /// Its nodes.
    nodes: Vec<ClusterNodeView>,
    /// Its shards.
    shards: Vec<ClusterShardView>,
}

/// A node of the cluster.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ClusterNode)]
pub(crate) struct ClusterNodeView {
    /// The node.
    #[schema(value_type = u64)]
    node_id: NodeId,
    /// How many shards it holds.
    replicas: u64,
    /// How many shards it leads.
    leads: u64,
}

/// A shard of the cluster.
#[derive(Serialize, ToSchema)]
#[schema(as = ClusterShard)]
pub(crate) struct ClusterShardView {
    /// The shard.
    #[schema(value_type = u32)]
    shard: ShardId,
    /// Who leads it; null where nobody is known to.
    #[schema(required, value_type = Option<u64>)]
    leader: Option<NodeId>,
    /// Its term.
    #[schema(value_type = u64)]
    term: Term,
    /// Its voters.
    #[schema(value_type = Vec<u64>)]
    voters: Vec<NodeId>,
    /// The last log index that the answering node has.
    last_log: u64,
    /// The last log index that the answering node has applied.
    #[schema(value_type = u64)]
    applied: Revision,
    /// Log entries that the answering node has still to apply.
    apply_lag: u64,
    /// How many resources it holds.
    resources: u64,
    /// The last offset of its outbox.
    outbox_head: u64,
    /// The first offset that is kept.
    outbox_floor: u64,
}

/// Shows the cluster as the answering node sees it.
#[utoipa::path(
    get, path = "/api/v1/cluster", tag = "cluster", operation_id = "getCluster",
    responses((status = 200, description = "The cluster", body = ClusterView))
)]
pub(crate) async fn get_cluster(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let view = ClusterView::of(api.shards());
    Ok((Stamp::own(api.own_revision()), Json(view)).into_response())
}

impl ClusterView {
    fn of(shards: &Shards) -> Self {
        let status = shards.status();
        let cluster = shards.cluster();
        Self {
            id: cluster.id.to_string(),
            name: cluster.name.clone(),
            incarnation: cluster.incarnation,
            node_id: shards.node_id(),
            nodes: nodes(&status),
            shards: status.into_iter().map(ClusterShardView::from).collect(),
        }
    }
}

fn nodes(shards: &[ShardStatus]) -> Vec<ClusterNodeView> {
    let mut nodes: BTreeMap<NodeId, ClusterNodeView> = BTreeMap::new();
    let fresh = |node_id| ClusterNodeView { node_id, replicas: 0, leads: 0 };
    for shard in shards {
        for voter in &shard.voters {
            nodes.entry(*voter).or_insert_with(|| fresh(*voter)).replicas += 1;
        }
        if let Some(leader) = shard.leader {
            nodes.entry(leader).or_insert_with(|| fresh(leader)).leads += 1;
        }
    }
    nodes.into_values().collect()
}

impl From<ShardStatus> for ClusterShardView {
    fn from(status: ShardStatus) -> Self {
        Self {
            shard: status.shard,
            leader: status.leader,
            term: status.term,
            voters: status.voters,
            last_log: status.last_log,
            applied: status.applied,
            apply_lag: status.last_log.saturating_sub(status.applied.0),
            resources: u64::try_from(status.resources).unwrap_or(u64::MAX),
            outbox_head: status.outbox_head,
            outbox_floor: status.outbox_floor,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ShardTime;

    use super::*;

    #[test]
    fn nodes_are_counted_from_their_shards() {
        let shard = |shard, leader: Option<u64>| ShardStatus {
            shard: ShardId(shard),
            leader: leader.map(NodeId),
            term: Term(1),
            voters: vec![NodeId(1), NodeId(2)],
            last_log: 9,
            applied: Revision(7),
            time: ShardTime(0),
            resources: 0,
            outbox_head: 0,
            outbox_floor: 1,
        };
        let shards = [shard(0, Some(1)), shard(1, Some(1)), shard(2, None)];
        let node =
            |node_id, leads| ClusterNodeView { node_id: NodeId(node_id), replicas: 3, leads };
        assert_eq!(nodes(&shards), [node(1, 2), node(2, 0)]);
        assert_eq!(ClusterShardView::from(shards[0].clone()).apply_lag, 2);
    }
}
