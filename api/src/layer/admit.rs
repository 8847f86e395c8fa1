//! Refuses what is beyond the number of requests that one node works on at once.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    error::{ApiError, Kind},
    state::ApiState,
};

/// Lets a request pass while there is room.
pub(crate) async fn admit(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let Ok(_permit) = api.in_flight().try_acquire() else {
        let most = api.limits().in_flight;
        let detail = format!("{most} requests are in flight; try again");
        return ApiError::new(Kind::TooMany, detail).into_response();
    };
    next.run(request).await
}
