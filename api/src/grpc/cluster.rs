//! `ClusterService`.

use raft::NodeStanding;
use tonic::{Request, Response, Status};

use super::{
    document, guard,
    reply::{self, stamped},
    show,
    v1::{self, cluster_service_server::ClusterService},
};
use crate::{
    cluster,
    error::{ApiError, Kind},
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
        request: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::GetClusterResponse>, Status> {
        guard::small(
            &self.0,
            request.metadata(),
            Box::pin(async {
                let shown = serde_json::to_value(cluster::shown(&self.0).await);
                let shown =
                    shown.map_err(|error| ApiError::new(Kind::Internal, error.to_string()))?;
                let cluster = Some(document::to_struct(shown));
                Ok(stamped(v1::GetClusterResponse { cluster }, &self.own()))
            }),
        )
        .await
    }

    async fn drain_node(
        &self,
        request: Request<v1::DrainNodeRequest>,
    ) -> Result<Response<v1::DrainNodeResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(
            &self.0,
            &metadata,
            Box::pin(async {
                let node = reply::name("node", &asked.node)?;
                cluster::stand(&self.0, node, NodeStanding::Draining).await?;
                Ok(stamped(v1::DrainNodeResponse {}, &self.own()))
            }),
        )
        .await
    }

    async fn resume_node(
        &self,
        request: Request<v1::ResumeNodeRequest>,
    ) -> Result<Response<v1::ResumeNodeResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(
            &self.0,
            &metadata,
            Box::pin(async {
                let node = reply::name("node", &asked.node)?;
                cluster::stand(&self.0, node, NodeStanding::Active).await?;
                Ok(stamped(v1::ResumeNodeResponse {}, &self.own()))
            }),
        )
        .await
    }

    async fn remove_node(
        &self,
        request: Request<v1::RemoveNodeRequest>,
    ) -> Result<Response<v1::RemoveNodeResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(
            &self.0,
            &metadata,
            Box::pin(async {
                cluster::remove(&self.0, reply::name("node", &asked.node)?).await?;
                Ok(stamped(v1::RemoveNodeResponse {}, &self.own()))
            }),
        )
        .await
    }

    async fn get_cluster_health(
        &self,
        request: Request<v1::GetClusterHealthRequest>,
    ) -> Result<Response<v1::GetClusterHealthResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::large(
            &self.0,
            &metadata,
            Box::pin(async {
                let pairs =
                    [reply::freshness(asked.consistency()), reply::partial(asked.allow_partial)];
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
