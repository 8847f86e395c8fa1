//! `PUT …/resources/{id}`: declares a resource.

use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ETAG, LOCATION},
    },
    response::{IntoResponse, Response},
};
use model::ResourceId;
use raft::{DeclareOutcome, Precondition, Registration, Reply, Row};
use serde_json::Value;

use super::{
    RESOURCES,
    declaration::{self, Declaration},
    write::{OWNER, Written, unexpected},
};
use crate::{
    body::JsonBody,
    error::ApiError,
    headers::{EntityTag, IdempotencyKey, WriteCondition},
    path::ResourcePath,
    query::NoQuery,
    state::ApiState,
    view::ResourceView,
};

/// Declares a resource, or declares it anew. Answered once it is durable on a majority.
#[utoipa::path(
    put, path = "/api/v1/infrastructure/resources/{id}", tag = "resources",
    operation_id = "putResource", request_body = Declaration,
    params(
        ("id" = String, Path, description = "The resource's id", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("If-Match" = Option<String>, Header, description = "An ETag: only while its generation is in force; `*`: only where it exists", format = "entity-tag"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only where there is none yet", format = "asterisk"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key within 10 minutes get the first answer", pattern = "^[!-~]{1,200}$"),
    ),
    responses(
        (status = 201, description = "Declared", body = ResourceView<'static>,
            headers(("ETag" = String), ("Location" = String), ("Idempotency-Key" = String))),
        (status = 200, description = "Declared anew, or declared so already", body = ResourceView<'static>,
            headers(("ETag" = String), ("Idempotency-Key" = String))),
    )
)]
pub(crate) async fn put_resource(
    State(api): State<ApiState>,
    ResourcePath(id): ResourcePath,
    WriteCondition(precondition): WriteCondition,
    key: IdempotencyKey,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let Declared { outcome, row, mut headers } =
        declare(&api, &id, precondition, &key, &body).await?;
    headers.insert(ETAG, EntityTag::of(&row.resource).value());
    let status = status(outcome, &row, &mut headers);
    Ok((status, headers, Json(ResourceView::of(&row))).into_response())
}

/// A resource as it is declared now.
pub(crate) struct Declared {
    pub(crate) outcome: DeclareOutcome,
    pub(crate) row: Row,
    pub(crate) headers: HeaderMap,
}

/// Declares a resource by a document.
pub(crate) async fn declare(
    api: &ApiState,
    id: &ResourceId,
    precondition: Precondition,
    key: &IdempotencyKey,
    body: &Value,
) -> Result<Declared, ApiError> {
    let spec = declaration::read(api, id, body)?;
    let registration = Registration { spec, owner: OWNER, precondition };
    let write = api.shards().declare(registration, key.request("put", id.as_str()));
    let Written { answer, headers } = Written::of(api, key, id, write).await?;
    let Reply::Declared { outcome, resource } = answer.reply else {
        return Err(unexpected(&answer.reply).with_headers(headers));
    };
    let row = Row { resource: (*resource).into(), shard: answer.shard, term: answer.term };
    Ok(Declared { outcome, row, headers })
}

fn status(outcome: DeclareOutcome, row: &Row, headers: &mut HeaderMap) -> StatusCode {
    match outcome {
        DeclareOutcome::Replaced | DeclareOutcome::Unchanged => StatusCode::OK,
        DeclareOutcome::Created => {
            let place = HeaderValue::from_str(&format!("{RESOURCES}/{}", row.resource.id()));
            headers.insert(LOCATION, place.expect("the characters of ids are visible ASCII"));
            StatusCode::CREATED
        }
    }
}
