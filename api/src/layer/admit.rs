//! Refuses what is beyond the number of requests that one node works on at once.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::SemaphorePermit;

use crate::{
    error::{ApiError, Kind},
    state::ApiState,
};

/// Lets a request pass while there is room.
pub(crate) async fn admit(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    match admitted(&api) {
        Ok(_permit) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Room for one more request, where there is any.
pub(crate) fn admitted(api: &ApiState) -> Result<SemaphorePermit<'_>, ApiError> {
    api.in_flight().try_acquire().map_err(|_| {
        let most = api.limits().in_flight;
        ApiError::new(Kind::TooMany, format!("{most} requests are in flight; try again"))
    })
}
