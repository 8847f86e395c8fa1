//! Every route, and the layers around them.
//!
//! Invariant: a route is added here by its handler, so that the description of the API and
//! the API cannot disagree.

use axum::{Extension, Router, middleware};
use tower_http::{CompressionLevel, compression::CompressionLayer};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    cluster, config, coverage, docs, events, health, layer, maintenance, metrics, resources, sinks,
    state::ApiState, watch,
};

/// The whole API over a state: a service for [`crate::serve`] or for tests.
pub fn router(state: ApiState) -> Router {
    let shed = middleware::from_fn_with_state(state.clone(), layer::shed);
    let routes = questions()
        .merge(large_questions().layer(shed.clone()))
        .layer(middleware::from_fn_with_state(state.clone(), layer::admit))
        .merge(under_any_load())
        .layer(middleware::from_fn_with_state(state.clone(), layer::deadline))
        .merge(streams().layer(shed))
        .merge(unhurried());
    let (routes, description) = routes.split_for_parts();
    routes
        .layer(Extension(docs::document(description)))
        .layer(middleware::from_fn(layer::catch_panics))
        .layer(middleware::from_fn_with_state(state.clone(), layer::accompany))
        // What compresses an answer best takes mebibytes for each.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(state)
}

/// Answers that come in bounded time, under the limit of requests in flight.
fn questions() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(
            resources::get_resource,
            resources::put_resource,
            resources::delete_resource
        ))
        .routes(routes!(resources::get_resource_policy))
        .routes(routes!(resources::push_observation))
        .routes(routes!(resources::get_node_metrics))
        .routes(routes!(maintenance::list_maintenance))
        .routes(routes!(
            maintenance::get_maintenance,
            maintenance::put_maintenance,
            maintenance::delete_maintenance
        ))
        .routes(routes!(cluster::get_cluster))
        .routes(routes!(cluster::init_cluster))
        .routes(routes!(cluster::drain_node))
        .routes(routes!(cluster::resume_node))
        .routes(routes!(cluster::remove_node))
        .routes(routes!(sinks::list_sinks))
        .routes(routes!(sinks::reset_sink))
        .routes(routes!(sinks::list_subscriptions))
        .routes(routes!(sinks::create_subscription, sinks::delete_subscription))
        .routes(routes!(sinks::reset_subscription))
        .routes(routes!(config::get_config))
        .routes(routes!(docs::openapi))
        .routes(routes!(docs::page))
}

/// The same, but what they take grows with the fleet: shed while memory is short.
fn large_questions() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(resources::list_resources))
        .routes(routes!(events::list_events))
        .routes(routes!(cluster::get_cluster_health))
        .routes(routes!(coverage::get_coverage))
}

/// What tells how the node is, above all when it has too much to do.
fn under_any_load() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(health::livez))
        .routes(routes!(health::healthy))
        .routes(routes!(health::readyz))
        .routes(routes!(health::ready))
        .routes(routes!(health::startupz))
}

/// Streams, which end when their client goes; none begins while memory is short.
fn streams() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(watch::watch_resources))
        .routes(routes!(metrics::get_resource_metrics))
}

/// The reload, which takes its own time.
fn unhurried() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default().routes(routes!(health::reload))
}
