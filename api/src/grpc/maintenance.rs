//! `MaintenanceService`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
use crate::{error::ApiError, limits::Limits, maintenance, state::ApiState};

/// See the module.
pub(super) struct Windows(pub(super) ApiState);

#[tonic::async_trait]
impl MaintenanceService for Windows {
    async fn list_maintenance(
        &self,
        request: Request<v1::ListMaintenanceRequest>,
    ) -> Result<Response<v1::ListMaintenanceResponse>, Status> {
        let asked = request.into_inner();
        guard::large(
            &self.0,
            Box::pin(async {
                let (limit, after) = place(&asked, self.0.limits())?;
                let (stamp, windows) = maintenance::all(&self.0).await?;
                Ok(stamped(page(windows, limit, after.as_deref()), &stamp))
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
/// How many windows, and after which name.
fn place(
    asked: &v1::ListMaintenanceRequest,
    limits: &Limits,
) -> Result<(usize, Option<String>), ApiError> {
    let wanted = usize::try_from(asked.page_size).unwrap_or(usize::MAX);
    if wanted > limits.list_max {
        let detail = format!("expected at most {}", limits.list_max);
        return Err(ApiError::invalid_at("page_size", detail));
    }
    let limit = if wanted == 0 { limits.list_default } else { wanted };
    if asked.page_token.is_empty() {
        return Ok((limit, None));
    }
    let invalid = || {
        let detail = "is no token of this list; send the `next_page_token` of the page before";
        ApiError::invalid_at("page_token", detail)
    };
    let bytes = URL_SAFE_NO_PAD.decode(&asked.page_token).map_err(|_| invalid())?;
    let after = String::from_utf8(bytes).map_err(|_| invalid())?;
    reply::window(&after).map_err(|_| invalid())?;
    Ok((limit, Some(after)))
}

/// They come by name.
fn page(
    windows: Vec<MaintenanceView>,
    limit: usize,
    after: Option<&str>,
) -> v1::ListMaintenanceResponse {
    let is_next =
        |window: &MaintenanceView| after.is_none_or(|after| window.window.name.as_str() > after);
    let rest: Vec<_> = windows.into_iter().filter(is_next).collect();
    let count = rest.len();
    let windows = reply::fitting(rest.into_iter().take(limit).map(shown));
    let last = windows.last().filter(|_| windows.len() < count);
    let next_page_token = last.map(|last| URL_SAFE_NO_PAD.encode(&last.name)).unwrap_or_default();
    v1::ListMaintenanceResponse { windows, next_page_token }
}

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
