//! Figures for Prometheus, in OpenMetrics 1.0 text format.
//!
//! All names of this crate's own metrics stand in this file.

mod census;
mod export;
mod gauges;
mod grpc;
mod http;
mod own;
mod text;

pub(crate) use census::Census;
pub(crate) use export::*;
pub(crate) use grpc::GrpcMetrics;
pub(crate) use http::HttpMetrics;
pub(crate) use own::*;

use axum::http::{HeaderName, HeaderValue, header::CONTENT_TYPE};

const HTTP_REQUESTS: &str = "bellwether_http_requests";
const HTTP_DURATION: &str = "bellwether_http_request_duration";
const GRPC_CALLS: &str = "bellwether_grpc_calls";
const GRPC_DURATION: &str = "bellwether_grpc_call_duration";
const RESOURCES: &str = "bellwether_resources";
const OUTBOX_LENGTH: &str = "bellwether_outbox_length";
const RAFT_TERM: &str = "bellwether_raft_term";
const RAFT_COMMIT_INDEX: &str = "bellwether_raft_commit_index";
const RAFT_APPLY_LAG: &str = "bellwether_raft_apply_lag";
const RAFT_LEADER: &str = "bellwether_raft_leader";
const WATCHES: &str = "bellwether_watches";
const RESOURCE_HEALTH: &str = "bellwether_resource_health";
const RESOURCE_METRIC: &str = "bellwether_resource_metric";

const OPENMETRICS: (HeaderName, HeaderValue) = (
    CONTENT_TYPE,
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
);
