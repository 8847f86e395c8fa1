//! JSON bodies: bounded in length, depth and time, and strict.

mod strict;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{
        HeaderMap,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    error::{ApiError, Kind},
    state::ApiState,
};

/// A body that is a JSON document.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl FromRequest<ApiState> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        is_json(request.headers())?;
        let limits = state.limits();
        // Half the time of the request is left for the work.
        let read = timeout(limits.request_timeout / 2, read(request, limits.body_bytes));
        let bytes = read.await.map_err(|_| {
            ApiError::new(Kind::SlowRequest, "the body did not arrive in time; send it again")
        })??;
        strict::parse(&bytes).map(Self).map_err(|e| {
            let detail = if bytes.is_empty() { "the body is empty".to_owned() } else { e };
            ApiError::invalid_at("", format!("{detail}; expected one JSON document (RFC 8259)"))
        })
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let wrong = |detail: &str| Err(ApiError::new(Kind::MediaType, detail));
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return wrong("send the body without Content-Encoding");
    }
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    wrong("send the body as JSON, with `Content-Type: application/json`")
}

async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let body = Limited::new(request.into_body(), limit);
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(ApiError::new(
            Kind::TooLarge,
            format!("the body is longer than {limit} bytes; send less at once"),
        )),
        Err(e) => Err(ApiError::invalid_at("", format!("the body ended early: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: Option<&str>) -> HeaderMap {
        content_type.into_iter().map(|value| (CONTENT_TYPE, value.parse().unwrap())).collect()
    }

    #[test]
    fn only_json_is_taken() {
        for good in
            ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
        {
            assert!(is_json(&headers(Some(good))).is_ok(), "{good}");
        }
        for bad in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
            assert!(is_json(&headers(bad)).is_err(), "{bad:?}");
        }
    }
}
