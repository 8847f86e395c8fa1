//! `ClusterService`.

use model::NodeId;
use raft::NodeStanding;
use tonic::{Request, Response, Status};

use super::{
    guard,
    reply::{self, stamped},
    show,
    v1::{self, cluster_service_server::ClusterService},
};
use crate::{
    cluster::{self, ClusterNodeView, ClusterShardView, ClusterView, GroupView},
    headers::Stamp,
    query::Query,
    state::ApiState,
};

/// See the module.
pub(super) struct Clusters(pub(super) ApiState);

impl Clusters {
    fn own(&self) -> Stamp {
        Stamp::own(self.0.own_revision())
    }
}

#[tonic::async_trait]
impl ClusterService for Clusters {
    async fn get_cluster(
        &self,
        _: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::GetClusterResponse>, Status> {
        guard::small(Box::pin(async {
            let shown = shown(cluster::shown(&self.0).await);
            Ok(stamped(shown, &self.own()))
        }))
        .await
    }

    async fn drain_node(
        &self,
        request: Request<v1::DrainNodeRequest>,
    ) -> Result<Response<v1::DrainNodeResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            let node = reply::name("node", &asked.node)?;
            cluster::stand(&self.0, node, NodeStanding::Draining).await?;
            Ok(stamped(v1::DrainNodeResponse {}, &self.own()))
        }))
        .await
    }

    async fn resume_node(
        &self,
        request: Request<v1::ResumeNodeRequest>,
    ) -> Result<Response<v1::ResumeNodeResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            let node = reply::name("node", &asked.node)?;
            cluster::stand(&self.0, node, NodeStanding::Active).await?;
            Ok(stamped(v1::ResumeNodeResponse {}, &self.own()))
        }))
        .await
    }

    async fn remove_node(
        &self,
        request: Request<v1::RemoveNodeRequest>,
    ) -> Result<Response<v1::RemoveNodeResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            cluster::remove(&self.0, reply::name("node", &asked.node)?).await?;
            Ok(stamped(v1::RemoveNodeResponse {}, &self.own()))
        }))
        .await
    }

    async fn get_cluster_health(
        &self,
        request: Request<v1::GetClusterHealthRequest>,
    ) -> Result<Response<v1::GetClusterHealthResponse>, Status> {
        let asked = request.into_inner();
        guard::large(
            &self.0,
            Box::pin(async {
                let pairs =
                    [reply::freshness(asked.consistency)?, reply::partial(asked.allow_partial)];
                let name = reply::name("cluster_id", &asked.cluster_id)?;
                let (stamp, found) = cluster::rolled_up(&self.0, name, Query::of(pairs)).await?;
                let answer = v1::GetClusterHealthResponse {
                    cluster_id: found.cluster_id,
                    cluster_name: found.cluster_name,
                    overall_health: show::health(found.overall_health).into(),
                    node_count: found.node_count,
                    healthy_nodes: found.healthy_nodes,
                    pod_count: found.pod_count,
                    running_pods: found.running_pods,
                };
                Ok(stamped(answer, &stamp))
            }),
        )
        .await
    }
}

fn shown(view: ClusterView) -> v1::GetClusterResponse {
    let ClusterView { id, name, incarnation, node_id, nodes, meta, shards, moves } = view;
    v1::GetClusterResponse {
        id,
        name,
        incarnation,
        node_id: node_id.0,
        nodes: nodes.into_iter().map(node).collect(),
        meta: Some(group(meta)),
        shards: shards.into_iter().map(shard).collect(),
        moves,
    }
}

fn node(view: ClusterNodeView) -> v1::ClusterNode {
    v1::ClusterNode {
        node_id: view.node_id.0,
        name: view.name,
        standing: view.standing,
        error: view.error,
        region: view.region,
        zone: view.zone,
        version: view.version,
        address: view.address,
        api: view.api,
        replicas: view.replicas,
        leads: view.leads,
        lag: view.lag,
        disk_free: view.disk_free,
        disk_full: view.disk_full,
    }
}

fn group(view: GroupView) -> v1::ClusterGroup {
    let numbers = |nodes: Vec<NodeId>| nodes.into_iter().map(|node| node.0).collect();
    v1::ClusterGroup {
        leader: view.leader.map(|leader| leader.0),
        term: view.term.0,
        voters: numbers(view.voters),
        learners: numbers(view.learners),
        changing: view.changing,
    }
}

fn shard(view: ClusterShardView) -> v1::ClusterShard {
    v1::ClusterShard {
        shard: view.shard.0,
        group: Some(group(view.group)),
        last_log: view.last_log,
        applied: view.applied.0,
        apply_lag: view.apply_lag,
        resources: view.resources,
        outbox_head: view.outbox_head,
        outbox_floor: view.outbox_floor,
    }
}
