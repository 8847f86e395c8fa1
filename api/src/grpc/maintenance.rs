//! `MaintenanceService`.

use model::WallTime;
use raft::MaintenanceView;
use serde_json::{Map, Value, json};
use tonic::{Request, Response, Status};

use super::{
    fault::with_headers,
    guard,
    reply::{self, stamped},
    show,
    v1::{self, maintenance_service_server::MaintenanceService},
};
use crate::{error::ApiError, maintenance, state::ApiState};

/// See the module.
pub(super) struct Windows(pub(super) ApiState);

#[tonic::async_trait]
impl MaintenanceService for Windows {
    async fn list_maintenance(
        &self,
        _: Request<v1::ListMaintenanceRequest>,
    ) -> Result<Response<v1::ListMaintenanceResponse>, Status> {
        guard::large(
            &self.0,
            Box::pin(async {
                let (stamp, windows) = maintenance::all(&self.0).await?;
                let windows = windows.into_iter().map(shown).collect();
                Ok(stamped(v1::ListMaintenanceResponse { windows }, &stamp))
            }),
        )
        .await
    }

    async fn get_maintenance(
        &self,
        request: Request<v1::GetMaintenanceRequest>,
    ) -> Result<Response<v1::GetMaintenanceResponse>, Status> {
        let asked = request.into_inner();
        guard::small(Box::pin(async {
            let name = reply::window(&asked.name)?;
            let (stamp, window) = maintenance::one(&self.0, name).await?;
            let window = Some(shown(window));
            Ok(stamped(v1::GetMaintenanceResponse { window }, &stamp))
        }))
        .await
    }

    async fn put_maintenance(
        &self,
        request: Request<v1::PutMaintenanceRequest>,
    ) -> Result<Response<v1::PutMaintenanceResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(Box::pin(async {
            let (name, key) = (reply::window(&asked.name)?.to_owned(), reply::key(&metadata)?);
            let body = body(asked)?;
            let (window, headers) = maintenance::set(&self.0, &name, &key, &body).await?;
            let window = Some(shown(window));
            Ok(with_headers(v1::PutMaintenanceResponse { window }, &headers))
        }))
        .await
    }

    async fn delete_maintenance(
        &self,
        request: Request<v1::DeleteMaintenanceRequest>,
    ) -> Result<Response<v1::DeleteMaintenanceResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        guard::small(Box::pin(async {
            let (name, key) = (reply::window(&asked.name)?, reply::key(&metadata)?);
            let headers = maintenance::end(&self.0, name, &key).await?;
            Ok(with_headers(v1::DeleteMaintenanceResponse {}, &headers))
        }))
        .await
    }
}

/// The window as REST would have got it, so that it is read by the same rules.
fn body(asked: v1::PutMaintenanceRequest) -> Result<Value, ApiError> {
    let mut body = Map::new();
    let mut time = |name: &'static str, time: Option<prost_types::Timestamp>| {
        let time = time.map(|time| reply::moment(name, time)).transpose()?;
        body.extend(time.map(|time: WallTime| (name.to_owned(), json!(time.to_string()))));
        Ok::<_, ApiError>(())
    };
    time("starts_at", asked.starts_at)?;
    time("ends_at", asked.ends_at)?;
    body.extend(asked.selector.map(|selector| ("selector".to_owned(), json!(selector))));
    if !asked.resource_ids.is_empty() {
        body.insert("resource_ids".to_owned(), json!(asked.resource_ids));
    }
    if !asked.reason.is_empty() {
        body.insert("reason".to_owned(), json!(asked.reason));
    }
    Ok(Value::Object(body))
}

fn shown(found: MaintenanceView) -> v1::Maintenance {
    let MaintenanceView { window, version, missing } = found;
    v1::Maintenance {
        name: window.name,
        selector: window.selector.map(|selector| selector.to_string()),
        resource_ids: window.resource_ids.iter().map(ToString::to_string).collect(),
        starts_at: Some(show::timestamp(window.starts_at)),
        ends_at: Some(show::timestamp(window.ends_at)),
        reason: window.reason,
        version,
        missing_shards: missing.into_iter().map(|shard| shard.0).collect(),
    }
}
