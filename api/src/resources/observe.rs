//! `POST …/resources/{id}/observations`: what a client saw of a push-fed resource.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{ResourceId, Revision, WallTime};
use raft::Reply;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    observation::{self, Observation},
    write::{Written, unexpected},
};
use crate::{
    body::JsonBody, error::ApiError, headers::IdempotencyKey, path::ResourcePath, query::NoQuery,
    state::ApiState,
};

/// An observation that was taken in.
#[derive(Serialize, ToSchema)]
#[schema(as = ObservationReceipt)]
pub(crate) struct Receipt {
    /// The resource.
    #[schema(value_type = String)]
    resource_id: ResourceId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    observed_at: WallTime,
    /// At which revision it was taken in.
    #[schema(value_type = u64)]
    revision: Revision,
}

/// Takes in an observation of a resource with a `push` check, once it is durable.
#[utoipa::path(
    post, path = "/api/v1/infrastructure/resources/{id}/observations", tag = "resources",
    operation_id = "pushObservation", request_body = Observation,
    params(
        ("id" = String, Path, description = "The resource's id", max_length = 200,
            pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key within 10 minutes get the first answer", pattern = "^[!-~]{1,200}$"),
    ),
    responses(
        (status = 202, description = "Taken in", body = Receipt),
        (status = 409, description = "The resource is probed, or a newer observation was taken in", body = crate::error::ProblemView,
            content_type = "application/problem+json"),
        (status = 422, description = "`observed_at` is more than 5 minutes ahead", body = crate::error::ProblemView,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn push_observation(
    State(api): State<ApiState>,
    ResourcePath(id): ResourcePath,
    key: IdempotencyKey,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let push = observation::read(&id, &body, api.shards().now())?;
    let observed_at = push.observed_at;
    let write = api.shards().push(push, key.request("observe", id.as_str()));
    let Written { answer, headers } = Written::of(&api, &key, &id, write).await?;
    match answer.reply {
        Reply::Pushed { revision } => {
            let receipt = Receipt { resource_id: id, observed_at, revision };
            Ok((StatusCode::ACCEPTED, headers, Json(receipt)).into_response())
        }
        other => Err(unexpected(&other).with_headers(headers)),
    }
}
