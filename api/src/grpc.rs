//! gRPC (`api/proto`): the same questions as over REST, answered by the same functions.
//!
//! Invariant: a service reads its request, calls what REST calls, and shows the outcome. Nothing is
//! decided here.

mod cluster;
mod count;
mod coverage;
mod document;
mod fault;
mod guard;
mod health;
mod maintenance;
mod reply;
mod resources;
mod serve;
mod show;
mod surround;
mod watch;

pub use serve::serve_grpc;
pub use watch::Message as WatchMessage;

/// What is generated from `api/proto`.
pub mod v1 {
    tonic::include_proto!("bellwether.v1");

    /// The description of the services, for reflection.
    pub const DESCRIPTION: &[u8] = tonic::include_file_descriptor_set!("bellwether");
}
