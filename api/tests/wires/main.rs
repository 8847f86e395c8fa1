//! The API over real shards in memory, call by call.

mod errors;
mod grpc;
mod guards;
mod list;
mod maintenance;
mod metrics;
mod openapi;
mod operations;
mod resources;
mod serve;
mod support;
mod watch;
mod writes;
