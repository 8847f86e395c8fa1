//! Questions in, answers out: REST, server-sent events and their description in OpenAPI.
//!
//! Invariants:
//! - every answer carries `X-Request-Id`, `Bellwether-Revision` and `Bellwether-Consistency`;
//! - every error is a problem (RFC 9457) that says what to do;
//! - every body, page, queue and wait has a bound;
//! - nothing is answered before the state behind it is durable on a majority.

mod body;
mod cluster;
mod config;
mod coverage;
mod docs;
mod error;
mod events;
mod grpc;
mod headers;
mod health;
mod layer;
mod limits;
mod maintenance;
mod metrics;
mod path;
mod pieces;
mod query;
mod resources;
mod routes;
mod serve;
mod sinks;
mod state;
mod view;
mod waiting;
mod watch;

pub use grpc::{WatchMessage, serve_grpc, v1};
pub use limits::Limits;
pub use routes::router;
pub use serve::serve;
pub use sinks::{
    SubscriptionAction, SubscriptionCall, SubscriptionFault, SubscriptionHook, SubscriptionStatus,
};
pub use state::{
    ApiState, DeclarationContext, Declarations, Hooks, Readiness, ReadinessCheck, Reload, Shortage,
};
pub use waiting::{Found, Founded, WaitingHooks, serve_waiting};
