//! Refuses reads that take much memory while the node is short of it, so that writes, single
//! rows and health checks go on.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    error::{ApiError, Kind},
    state::ApiState,
};

/// Lets a read pass while there is memory.
pub(crate) async fn shed(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    match (api.hooks().short_of_memory)() {
        Some(found) => {
            let detail = format!(
                "{found}; lists, watches, histories and coverage are refused until there is \
                 memory again; single resources and writes are not"
            );
            ApiError::new(Kind::ShortOfMemory, detail).into_response()
        }
        None => next.run(request).await,
    }
}
