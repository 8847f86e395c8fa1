//! `DELETE …/resources/{id}`: removes a resource.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use model::ResourceId;
use raft::{Precondition, Removal, Reply};

use super::write::{OWNER, Written, unexpected};
use crate::{
    error::ApiError,
    headers::{IdempotencyKey, WriteCondition},
    path::ResourcePath,
    query::NoQuery,
    state::ApiState,
};

/// Removes a resource. Answered once it is durable on a majority.
#[utoipa::path(
    delete, path = "/api/v1/infrastructure/resources/{id}", tag = "resources",
    operation_id = "deleteResource",
    params(
        ("id" = String, Path, description = "The resource's id", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("If-Match" = Option<String>, Header, description = "An ETag: only while its generation is in force", format = "entity-tag"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key within 10 minutes get the first answer", pattern = "^[!-~]{1,200}$"),
    ),
    responses((status = 204, description = "Removed", headers(("Idempotency-Key" = String))))
)]
pub(crate) async fn delete_resource(
    State(api): State<ApiState>,
    ResourcePath(id): ResourcePath,
    WriteCondition(precondition): WriteCondition,
    key: IdempotencyKey,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let headers = remove(&api, &id, precondition, &key).await?;
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}

/// Removes a resource. Returns the headers of the answer.
pub(crate) async fn remove(
    api: &ApiState,
    id: &ResourceId,
    precondition: Precondition,
    key: &IdempotencyKey,
) -> Result<HeaderMap, ApiError> {
    let removal = Removal { id: id.clone(), owner: OWNER, precondition };
    let write = api.shards().remove(removal, key.request("delete", id.as_str()));
    let Written { answer, headers } = Written::of(api, key, id, write).await?;
    match answer.reply {
        Reply::Removed { .. } => Ok(headers),
        other => Err(unexpected(&other).with_headers(headers)),
    }
}
