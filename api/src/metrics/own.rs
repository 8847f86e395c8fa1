//! `GET /metrics`: the node's own figures.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use prometheus_client::encoding::text::encode_registry;

use super::{OPENMETRICS, gauges, text::EOF};
use crate::{
    error::{ApiError, Kind},
    headers::Stamp,
    query::NoQuery,
    state::ApiState,
};

/// Shows the node's own figures in OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "getMetrics",
    responses((status = 200, description = "The figures", body = String,
        content_type = "application/openmetrics-text"))
)]
pub(crate) async fn get_metrics(
    State(api): State<ApiState>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let counts = api.census().counts(api.shards(), api.limits().list_max).await?;
    let mut out = String::new();
    encode_registry(&mut out, &api.hooks().registry).map_err(unwritable)?;
    encode_registry(&mut out, api.http().registry()).map_err(unwritable)?;
    encode_registry(&mut out, api.grpc().registry()).map_err(unwritable)?;
    gauges::resources(&mut out, &counts);
    gauges::shards(&mut out, &api.shards().status(), api.shards().node_id());
    let open = api.limits().watches.saturating_sub(api.watches().available_permits());
    gauges::watches(&mut out, open);
    out.push_str(EOF);
    Ok((Stamp::own(api.own_revision()), [OPENMETRICS], out).into_response())
}

fn unwritable(_: std::fmt::Error) -> ApiError {
    ApiError::new(Kind::Internal, "a metric cannot be written; the log of its crate says why")
}
