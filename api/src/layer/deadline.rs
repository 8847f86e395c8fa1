//! Ends what takes too long.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;

use crate::{
    error::{ApiError, Kind},
    state::ApiState,
};

/// Gives a request its time.
pub(crate) async fn deadline(
    State(api): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let (limit, writes) = (api.limits().request_timeout, !request.method().is_safe());
    let answer = timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let error = if writes {
            let detail = "outcome unknown; it is safe to repeat the request with the same \
                          Idempotency-Key";
            ApiError::new(Kind::OutcomeUnknown, detail)
        } else {
            ApiError::new(Kind::Unavailable, format!("no answer within {limit:?}; try again"))
        };
        error.into_response()
    })
}
