//! `GET …/maintenance` and `GET …/maintenance/{name}`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use raft::MaintenanceView;

use super::{not_found, view::WindowView};
use crate::{error::ApiError, headers::Stamp, path::WindowPath, query::NoQuery, state::ApiState};

/// Lists the maintenance windows, ordered by name.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/maintenance", tag = "maintenance",
    operation_id = "listMaintenance",
    responses((status = 200, description = "The windows", body = [WindowView]))
)]
pub(crate) async fn list_maintenance(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let (stamp, windows) = all(&api).await?;
    let views: Vec<WindowView> = windows.into_iter().map(WindowView::of).collect();
    Ok((stamp, Json(views)).into_response())
}

/// All windows, by name.
pub(crate) async fn all(api: &ApiState) -> Result<(Stamp, Vec<MaintenanceView>), ApiError> {
    let mut read = api.shards().maintenance().await?;
    let mut windows = std::mem::take(&mut read.value);
    windows.sort_by(|a, b| a.window.name.cmp(&b.window.name));
    Ok((Stamp::of(&read), windows))
}

/// Reads one maintenance window.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/maintenance/{name}", tag = "maintenance",
    operation_id = "getMaintenance",
    params(("name" = String, Path, description = "The window's name", max_length = 200,
        pattern = "^[A-Za-z0-9._:@-]{1,200}$")),
    responses((status = 200, description = "The window", body = WindowView))
)]
pub(crate) async fn get_maintenance(
    State(api): State<ApiState>,
    WindowPath(name): WindowPath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let (stamp, window) = one(&api, &name).await?;
    Ok((stamp, Json(WindowView::of(window))).into_response())
}

/// One window.
pub(crate) async fn one(api: &ApiState, name: &str) -> Result<(Stamp, MaintenanceView), ApiError> {
    let (stamp, windows) = all(api).await?;
    let found = windows.into_iter().find(|view| view.window.name == name);
    let found = found.ok_or_else(|| not_found(name).with_headers(stamp.headers()))?;
    Ok((stamp, found))
}
