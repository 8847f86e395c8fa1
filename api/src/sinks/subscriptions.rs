//! `/api/v1/sinks/{sink}/subscriptions`: how far those are who consume a sink's events.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{WallTime, delivery::SubscribeFrom};
use serde::Serialize;
use utoipa::ToSchema;

use super::hook::{SubscriptionAction, SubscriptionCall, SubscriptionFault, SubscriptionStatus};
use crate::{
    error::{ApiError, Kind},
    headers::Stamp,
    path::{NamePath, TwoNames},
    query::{NoQuery, Query},
    state::ApiState,
};

/// A group of consumers, and how far it is.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionView {
    /// Its name.
    name: String,
    /// How its consumers share, as the sink calls it, such as `Failover`; null while it never had
    /// one.
    #[schema(required)]
    kind: Option<String>,
    /// How many consumers are connected.
    consumers: u64,
    /// Messages that it has not acknowledged.
    backlog: u64,
    /// When it acknowledged something last.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_acknowledged: Option<WallTime>,
}

/// Lists the subscriptions of a sink.
#[utoipa::path(
    get, path = "/api/v1/sinks/{sink}/subscriptions", tag = "events",
    operation_id = "listSubscriptions",
    params(("sink" = String, Path, description = "The sink's name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$")),
    responses(
        (status = 200, description = "The subscriptions, by name", body = [SubscriptionView]),
        (status = 404, description = "This node runs no such sink",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "A sink of this kind has none",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_subscriptions(
    State(api): State<ApiState>,
    NamePath(sink): NamePath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let found = call(&api, sink, SubscriptionAction::List).await?;
    let views: Vec<SubscriptionView> = found.into_iter().map(SubscriptionView::from).collect();
    Ok((Stamp::own(api.own_revision()), Json(views)).into_response())
}

/// Has events kept for a subscription that is to come.
#[utoipa::path(
    put, path = "/api/v1/sinks/{sink}/subscriptions/{name}", tag = "events",
    operation_id = "createSubscription",
    params(
        ("sink" = String, Path, description = "The sink's name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
        ("name" = String, Path, description = "Its name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
        ("from" = Option<String>, Query, description = "Where it begins: `latest`, which is usual, \
            `oldest` or a time (RFC 3339)", pattern = r"^(oldest|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))$"),
    ),
    responses(
        (status = 204, description = "Events are kept for it"),
        (status = 404, description = "This node runs no such sink",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "It is there already",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create_subscription(
    State(api): State<ApiState>,
    TwoNames(sink, name): TwoNames,
    mut query: Query,
) -> Result<Response, ApiError> {
    let from = query.take("from", str::parse::<SubscribeFrom>);
    query.finish()?;
    let from = from.unwrap_or(SubscribeFrom::Latest);
    changed(&api, sink, SubscriptionAction::Create(name, from)).await
}

/// Has a subscription go on elsewhere. Its consumers are disconnected, and come again.
#[utoipa::path(
    post, path = "/api/v1/sinks/{sink}/subscriptions/{name}/reset", tag = "events",
    operation_id = "resetSubscription",
    params(
        ("sink" = String, Path, description = "The sink's name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
        ("name" = String, Path, description = "Its name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
        ("to" = String, Query, description = "Where it goes on: `oldest`, `latest` or a time \
            (RFC 3339)", pattern = r"^(oldest|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))$"),
    ),
    responses(
        (status = 204, description = "It goes on there"),
        (status = 404, description = "There is no such sink or subscription",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "As it is, that cannot be done",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reset_subscription(
    State(api): State<ApiState>,
    TwoNames(sink, name): TwoNames,
    mut query: Query,
) -> Result<Response, ApiError> {
    let to = query.take("to", str::parse::<SubscribeFrom>);
    query.finish()?;
    let missing = || ApiError::invalid_at("?to", "is missing: `oldest`, `latest` or a time");
    let to = to.ok_or_else(missing)?;
    changed(&api, sink, SubscriptionAction::Reset(name, to)).await
}

/// Has nothing kept for a subscription any more. Refused while consumers are connected.
#[utoipa::path(
    delete, path = "/api/v1/sinks/{sink}/subscriptions/{name}", tag = "events",
    operation_id = "deleteSubscription",
    params(
        ("sink" = String, Path, description = "The sink's name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
        ("name" = String, Path, description = "Its name",
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"),
    ),
    responses(
        (status = 204, description = "It is no more"),
        (status = 404, description = "There is no such sink or subscription",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Consumers are connected",
            body = crate::error::ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_subscription(
    State(api): State<ApiState>,
    TwoNames(sink, name): TwoNames,
    _: NoQuery,
) -> Result<Response, ApiError> {
    changed(&api, sink, SubscriptionAction::Delete(name)).await
}

async fn changed(
    api: &ApiState,
    sink: String,
    action: SubscriptionAction,
) -> Result<Response, ApiError> {
    call(api, sink, action).await?;
    let stamp = Stamp::own(api.own_revision());
    Ok((StatusCode::NO_CONTENT, stamp.headers()).into_response())
}

async fn call(
    api: &ApiState,
    sink: String,
    action: SubscriptionAction,
) -> Result<Vec<SubscriptionStatus>, ApiError> {
    let done = (api.hooks().subscriptions)(SubscriptionCall { sink, action }).await;
    done.map_err(|fault| match fault {
        SubscriptionFault::NotFound(detail) => ApiError::new(Kind::NotFound, detail),
        SubscriptionFault::Conflict(detail) => ApiError::new(Kind::Conflict, detail),
        SubscriptionFault::Unavailable(detail) => ApiError::new(Kind::Unavailable, detail),
    })
}

impl From<SubscriptionStatus> for SubscriptionView {
    fn from(status: SubscriptionStatus) -> Self {
        let SubscriptionStatus { name, kind, consumers, backlog, last_acknowledged } = status;
        Self { name, kind, consumers, backlog, last_acknowledged }
    }
}
