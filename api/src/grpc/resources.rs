//! `ResourceService`.

mod observations;

use model::{cursor::Cursor, event::ClusterIdentity};
use raft::{DeclareOutcome, Precondition};
use serde_json::json;
use tonic::{Request, Response, Status, Streaming};

use super::{
    document,
    fault::with_headers,
    guard,
    reply::{self, stamped},
    show,
    v1::{
        self, put_resource_request::Precondition as Asked, resource_service_server::ResourceService,
    },
    watch::{HandedOver, Messages},
};
use crate::{
    events::{self, History},
    headers::Stamp,
    layer::{AT_ONCE, spared},
    limits::Limits,
    query,
    resources::{self, Declared, Listed, Place},
    state::ApiState,
    watch,
};

/// See the module.
pub(super) struct Resources(pub(super) ApiState);

#[tonic::async_trait]
impl ResourceService for Resources {
    type WatchResourcesStream = HandedOver;

    async fn get_resource(
        &self,
        request: Request<v1::GetResourceRequest>,
    ) -> Result<Response<v1::GetResourceResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            let id = reply::resource_id(&asked.resource_id)?;
            let consistency = reply::consistency(asked.consistency)?;
            let (stamp, row) = resources::find(&self.0, &id, consistency).await?;
            let resource = Some(show::resource(&row));
            Ok(stamped(v1::GetResourceResponse { resource }, &stamp))
        }))
        .await
    }

    async fn list_resources(
        &self,
        request: Request<v1::ListResourcesRequest>,
    ) -> Result<Response<v1::ListResourcesResponse>, Status> {
        let asked = request.into_inner();
        guard::large(
            &self.0,
            Box::pin(async {
                let mut pairs = vec![
                    reply::freshness(asked.consistency)?,
                    reply::partial(asked.allow_partial),
                    reply::number("limit", asked.page_size.into()),
                    ("continue", asked.page_token),
                ];
                pairs.extend(reply::filter(asked.filter)?);
                let listed = resources::listed(&self.0, query::Query::of(pairs)).await;
                let listed = listed.map_err(|error| error.renamed(reply::list_field))?;
                let stamp = listed.stamp.clone();
                Ok(stamped(page(listed), &stamp))
            }),
        )
        .await
    }

    async fn put_resource(
        &self,
        request: Request<v1::PutResourceRequest>,
    ) -> Result<Response<v1::PutResourceResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(Box::pin(async {
            let id = reply::resource_id(&asked.resource_id)?;
            let key = reply::key(&metadata)?;
            let body = document::to_json(asked.declaration.unwrap_or_default());
            let precondition = precondition(asked.precondition);
            let declared = resources::declare(&self.0, &id, precondition, &key, &body).await;
            let named = |pointer: &str| reply::within("declaration", pointer);
            let declared = declared.map_err(|error| error.renamed(named))?;
            let Declared { outcome, row, headers } = declared;
            let resource = Some(show::resource(&row));
            let created = outcome == DeclareOutcome::Created;
            Ok(with_headers(v1::PutResourceResponse { resource, created }, &headers))
        }))
        .await
    }

    async fn delete_resource(
        &self,
        request: Request<v1::DeleteResourceRequest>,
    ) -> Result<Response<v1::DeleteResourceResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(Box::pin(async {
            let id = reply::resource_id(&asked.resource_id)?;
            let key = reply::key(&metadata)?;
            let precondition = precondition(asked.if_generation.map(Asked::IfGeneration));
            let headers = resources::remove(&self.0, &id, precondition, &key).await?;
            Ok(with_headers(v1::DeleteResourceResponse {}, &headers))
        }))
        .await
    }

    async fn push_observations(
        &self,
        request: Request<Streaming<v1::PushObservationsRequest>>,
    ) -> Result<Response<v1::PushObservationsResponse>, Status> {
        let taken = observations::take_in(&self.0, request.into_inner()).await?;
        Ok(stamped(taken, &Stamp::own(self.0.own_revision())))
    }

    async fn watch_resources(
        &self,
        request: Request<v1::WatchResourcesRequest>,
    ) -> Result<Response<Self::WatchResourcesStream>, Status> {
        let _under_way = spared(&self.0, AT_ONCE)?;
        let asked = request.into_inner();
        let mut pairs = reply::filter(asked.filter)?;
        pairs.push(("cursor", asked.cursor));
        let mut query = query::Query::of(pairs);
        let cursor = query.take("cursor", str::parse::<Cursor>);
        let filter = query::filter(&mut query);
        query.finish().map_err(|error| error.renamed(reply::list_field))?;
        let chunks = watch::begin::<Messages>(&self.0, cursor, filter).await?;
        let Limits { stall, heartbeat, .. } = *self.0.limits();
        let messages = HandedOver::new(chunks, stall + heartbeat);
        let stamp = Stamp::own(self.0.own_revision());
        Ok(stamped(messages, &stamp))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let asked = request.into_inner();
        guard::large(
            &self.0,
            Box::pin(async {
                let id = reply::resource_id(&asked.resource_id)?;
                let pairs = [
                    reply::freshness(asked.consistency)?,
                    reply::number("after", asked.after),
                    reply::number("limit", asked.page_size.into()),
                    reply::wanted("decided_from", asked.decided_from),
                ];
                let history = events::history(&self.0, &id, query::Query::of(pairs)).await?;
                let stamp = history.stamp.clone();
                Ok(stamped(history_page(&history, self.0.shards().cluster()), &stamp))
            }),
        )
        .await
    }

    async fn get_resource_policy(
        &self,
        request: Request<v1::GetResourcePolicyRequest>,
    ) -> Result<Response<v1::GetResourcePolicyResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            let id = reply::resource_id(&asked.resource_id)?;
            let consistency = reply::consistency(asked.consistency)?;
            let (stamp, policy) = resources::policy(&self.0, &id, consistency).await?;
            let policy = Some(document::to_struct(json!(policy)));
            Ok(stamped(v1::GetResourcePolicyResponse { policy }, &stamp))
        }))
        .await
    }

    async fn get_node_metrics(
        &self,
        request: Request<v1::GetNodeMetricsRequest>,
    ) -> Result<Response<v1::GetNodeMetricsResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            let name = reply::name("node_id", &asked.node_id)?;
            let consistency = reply::consistency(asked.consistency)?;
            let read = resources::find_node(&self.0, name, consistency).await?;
            let metrics = Some(show::metrics(&read.value.resource.state.metrics));
            Ok(stamped(v1::GetNodeMetricsResponse { metrics }, &Stamp::of(&read)))
        }))
        .await
    }
}

/// As many rows as fit; the next page begins after them.
fn page(listed: Listed) -> v1::ListResourcesResponse {
    let Listed { rows, place: Place { cursor, mut next }, .. } = listed;
    let resources = reply::fitting(rows.iter().map(show::resource));
    if resources.len() < rows.len() {
        let after = rows[resources.len() - 1].resource.id().clone();
        next = Some(query::PageStart { after, cursor: cursor.clone() });
    }
    v1::ListResourcesResponse {
        resources,
        next_page_token: next.map(|next| next.token()).unwrap_or_default(),
        cursor: cursor.to_string(),
    }
}

/// As many events as fit; the next page begins after them.
fn history_page(history: &History, cluster: &ClusterIdentity) -> v1::ListEventsResponse {
    let shown = |record| document::to_struct(events::shown(record, cluster, history.with_inputs));
    let events = reply::fitting(history.events.iter().map(shown));
    let cut = history.events.get(..events.len()).filter(|_| events.len() < history.events.len());
    let last = cut.and_then(|cut| cut.last()).map(|record| record.event.sequence.0);
    let next_after = last.or(history.next.map(|next| next.0));
    v1::ListEventsResponse { events, next_after }
}

fn precondition(asked: Option<Asked>) -> Precondition {
    match asked {
        None => Precondition::None,
        Some(Asked::IfGeneration(generation)) => Precondition::Generation(generation),
        Some(Asked::IfAbsent(())) => Precondition::Absent,
        Some(Asked::IfPresent(())) => Precondition::Exists,
    }
}
