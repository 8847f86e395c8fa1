//! The outermost layer: gives a request its id and completes its answer.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    error,
    headers::{REQUEST_ID, REVISION, Stamp, is_visible},
    state::ApiState,
};

const MAX_ID: usize = 128;
/// All paths that are none of ours are one route.
const UNMATCHED: &str = "unmatched";

/// Counts and times the request, renders its errors, and adds the headers that every answer has.
pub(crate) async fn accompany(
    State(api): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let span = tracing::info_span!("request", %id, method = %request.method(), route);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = error::render(response, &id);
    api.http().note(route, response.status(), began.elapsed());
    span.in_scope(|| {
        tracing::debug!(status = response.status().as_u16(), took = ?began.elapsed(), "answered");
    });
    complete(response.headers_mut(), &id, &api);
    response
}

fn complete(headers: &mut HeaderMap, id: &str, api: &ApiState) {
    let id = HeaderValue::from_str(id).expect("a request id is visible ASCII");
    headers.insert(REQUEST_ID, id);
    if !headers.contains_key(REVISION) {
        headers.extend(Stamp::own(api.own_revision()).headers());
    }
}

/// The caller's own id where it is one, else one of ours.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .filter(|value| is_visible(value.as_bytes(), MAX_ID))
        .and_then(|value| value.to_str().ok())
        .map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &[u8]) -> String {
        let value = HeaderValue::from_bytes(value).unwrap();
        request_id(&HeaderMap::from_iter([(REQUEST_ID, value)]))
    }

    #[test]
    fn a_callers_id_is_kept_where_it_is_one() {
        assert_eq!(id_for(b"req-7"), "req-7");
        for bad in [&b""[..], b"a b", b"\xff", &[b'x'; 129]] {
            assert_eq!(id_for(bad).len(), 36, "{bad:?}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
