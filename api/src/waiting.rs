//! What a node answers that is not a member of a cluster yet: that it waits, for what, and a way
//! to found one.

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, header::CACHE_CONTROL},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    error::{self, ApiError, Kind},
    headers::REQUEST_ID,
    limits::Limits,
    query::Query,
    serve::{Rules, serve_router},
};

/// Founds a cluster with this node as its first. With `true` also where peers do not answer.
/// The error says why not.
pub type Found = Arc<dyn Fn(bool) -> BoxFuture<'static, Result<Founded, String>> + Send + Sync>;

/// What the waiting node lends to the API.
#[derive(Clone)]
pub struct WaitingHooks {
    /// What it waits for, for people.
    pub reason: Arc<dyn Fn() -> String + Send + Sync>,
    /// How a cluster is founded.
    pub found: Found,
}

/// A cluster that was founded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Founded {
    /// Its name.
    pub name: String,
    /// The name of its first node.
    pub node: String,
    /// How many shards it has.
    pub shards: u32,
    /// Peers that did not answer, where that was allowed.
    pub silent_peers: Vec<String>,
}

/// Serves until `shutdown` is cancelled.
///
/// # Errors
/// Where the listener is of no use any more.
pub async fn serve_waiting(
    listener: TcpListener,
    hooks: WaitingHooks,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/livez", get(live))
        .route("/-/healthy", get(live))
        .route("/api/v1/cluster/init", post(init))
        .fallback(waits)
        .layer(middleware::from_fn(accompany))
        .with_state(hooks);
    let limits = Limits::default();
    let room = Arc::new(Semaphore::new(limits.connections));
    let rules = Rules { limits: &limits, room, http2_only: false };
    serve_router(listener, router, rules, shutdown).await
}

async fn live() -> Response {
    ([(CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

async fn waits(State(hooks): State<WaitingHooks>) -> ApiError {
    ApiError::new(Kind::Unavailable, (hooks.reason)())
}

async fn init(State(hooks): State<WaitingHooks>, query: Query) -> Result<Response, ApiError> {
    let alone = super::cluster::alone(query)?;
    match (hooks.found)(alone).await {
        Ok(founded) => Ok(Json(founded).into_response()),
        Err(why) => Err(ApiError::new(Kind::Conflict, why)),
    }
}

async fn accompany(request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().to_string();
    let mut response = error::render(next.run(request).await, &id);
    let id = HeaderValue::from_str(&id).expect("a UUID is visible ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}
