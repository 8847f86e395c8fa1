//! Turns a panic of a handler into an answer, so that it ends one request and nothing more.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

/// Answers 500 where the handler panics; the panic hook has logged it by then.
pub(crate) async fn catch_panics(request: Request, next: Next) -> Response {
    // Nothing of a handler outlives its panic but the shared state, whose locks do not poison.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        tracing::error!(panic = text, "a handler panicked");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}
