//! `GET …/resources/{id}`: one row.

use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, ETAG},
    },
    response::{IntoResponse, Response},
};

use model::ResourceId;
use raft::{Consistency, Row};

use super::not_found;
use crate::{
    error::ApiError,
    headers::{EntityTag, Stamp, unchanged},
    path::ResourcePath,
    query::Query,
    state::ApiState,
    view::ResourceView,
};

/// Reads one resource.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/resources/{id}", tag = "resources",
    operation_id = "getResource",
    params(
        ("id" = String, Path, description = "The resource's id", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("consistency" = Option<String>, Query, description = "`linearizable` (the default) or `stale`", pattern = "^(linearizable|stale)$"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the caller has: 304 where nothing changed", format = "entity-tag"),
    ),
    responses(
        (status = 200, description = "The resource", body = ResourceView<'static>,
            headers(("ETag" = String, description = "`\"g<generation>.r<revision>\"`"))),
        (status = 304, description = "The caller's copy is up to date"),
    )
)]
pub(crate) async fn get_resource(
    State(api): State<ApiState>,
    ResourcePath(id): ResourcePath,
    conditions: HeaderMap,
    mut query: Query,
) -> Result<Response, ApiError> {
    let consistency = query.consistency();
    query.finish()?;
    let (stamp, row) = find(&api, &id, consistency).await?;
    let tag = EntityTag::of(&row.resource);
    let headers = [(ETAG, tag.value()), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if unchanged(&conditions, tag)? {
        return Ok((StatusCode::NOT_MODIFIED, stamp, headers).into_response());
    }
    Ok((stamp, headers, Json(ResourceView::of(&row))).into_response())
}

/// The row, and where the answer stands.
pub(crate) async fn find(
    api: &ApiState,
    id: &ResourceId,
    consistency: Consistency,
) -> Result<(Stamp, Row), ApiError> {
    let read = api.shards().get(id, consistency).await?;
    let stamp = Stamp::of(&read);
    let row = read.value.ok_or_else(|| not_found(id).with_headers(stamp.headers()))?;
    Ok((stamp, row))
}
