//! Serves gRPC on a listener of its own.

use std::{io, sync::Arc};

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{codec::CompressionEncoding, server::NamedService, service::Routes};

use super::{
    cluster::Clusters,
    count::count,
    coverage::Coverage,
    health::Teller,
    maintenance::Windows,
    resources::Resources,
    surround::surround,
    v1::{
        self, cluster_service_server::ClusterServiceServer,
        coverage_service_server::CoverageServiceServer,
        maintenance_service_server::MaintenanceServiceServer,
        resource_service_server::ResourceServiceServer,
    },
};
use crate::{
    layer::accompany,
    serve::{Rules, serve_router, turn_away},
    state::ApiState,
};

/// A service with the node's limits.
macro_rules! limited {
    ($server:ident, $service:expr, $limits:expr) => {
        $server::new($service)
            .max_decoding_message_size($limits.body_bytes)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Zstd)
    };
}

/// The full names of the services; the empty one is the node's.
const SERVICES: [&str; 5] = [
    "",
    ResourceServiceServer::<Resources>::NAME,
    ClusterServiceServer::<Clusters>::NAME,
    CoverageServiceServer::<Coverage>::NAME,
    MaintenanceServiceServer::<Windows>::NAME,
];

/// Serves gRPC on a listener until `shutdown` is cancelled, as [`crate::serve`] does REST.
///
/// # Errors
/// Where the listener is of no use any more, or the description of the services is damaged.
pub async fn serve_grpc(
    listener: TcpListener,
    state: ApiState,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (reporter, health_server) = tonic_health::server::health_reporter();
    let mut routes = Routes::builder();
    routes.add_service(health_server);
    let router = add_services(routes, &state)?;
    let router = router
        .layer(middleware::from_fn_with_state(state.clone(), surround))
        .layer(middleware::from_fn_with_state(state.clone(), count))
        .layer(middleware::from_fn_with_state(state.clone(), accompany));
    let teller = Teller { api: &state, reporter, services: &SERVICES };
    let told = teller.tell().await;
    let room = Arc::clone(state.connections());
    let rules = Rules { limits: state.limits(), room, http2_only: true };
    let stops = shutdown.clone();
    tokio::select! {
        outcome = serve_router(listener, router, rules, shutdown) => outcome,
        never = teller.go_on(told) => match never {},
        never = turn_away(&state, stops) => match never {},
    }
}

fn add_services(mut routes: tonic::service::RoutesBuilder, state: &ApiState) -> io::Result<Router> {
    let (limits, state) = (state.limits(), || state.clone());
    routes.add_service(limited!(ResourceServiceServer, Resources(state()), limits));
    routes.add_service(limited!(ClusterServiceServer, Clusters(state()), limits));
    routes.add_service(limited!(CoverageServiceServer, Coverage(state()), limits));
    routes.add_service(limited!(MaintenanceServiceServer, Windows(state()), limits));
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTION)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that tools can show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    // Tools ask for the one or the other.
    routes.add_service(described().build_v1().map_err(io::Error::other)?);
    routes.add_service(described().build_v1alpha().map_err(io::Error::other)?);
    Ok(routes.routes().prepare().into_axum_router())
}
