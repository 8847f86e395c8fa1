//! What surrounds every call, before a byte of its message is read: who may call, for how long, and how
//! many at once.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, SemaphorePermit},
    time::timeout,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::fault::DOMAIN;
use crate::{
    error::{ApiError, Kind},
    headers::{IDEMPOTENCY_KEY, IdempotencyKey},
    layer::admitted,
    state::ApiState,
};

const TIMEOUT: &str = "grpc-timeout";
const ACCEPTS: &str = "grpc-accept-encoding";
const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";
const KIND: &str = "application/grpc";
/// Says that a write's key is ours: who calls cannot say so.
pub(super) const OWN_KEY: &str = "bellwether-own-key";

/// How a method is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One message in, one out.
    Read,
    /// The same, and something may have been changed by it.
    Write,
    /// Many come.
    In,
    /// Many go.
    Out,
}

impl Shape {
    fn of(path: &str) -> Self {
        let method = path.rsplit('/').next().unwrap_or_default();
        let writes = ["Put", "Delete", "Drain", "Resume", "Remove"];
        match method {
            "PushObservations" => Self::In,
            "WatchResources" | "Watch" | "ServerReflectionInfo" => Self::Out,
            other if writes.iter().any(|verb| other.starts_with(verb)) => Self::Write,
            _ => Self::Read,
        }
    }
}

pub(super) async fn surround(
    State(api): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    // A page of a browser can send forms to this port, but none that calls itself so.
    let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !kind.starts_with(KIND.as_bytes()) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let (shape, limit) = (Shape::of(request.uri().path()), api.limits().request_timeout);
    let asked = patience(request.headers());
    let key = (shape == Shape::Write).then(|| with_key(request.headers_mut())).flatten();
    if shape == Shape::Out {
        // What many are told is written once: nobody's compressor is to write it again.
        request.headers_mut().remove(ACCEPTS);
    }
    let patience = match shape {
        Shape::In => asked,
        Shape::Out => Some(limit),
        Shape::Read | Shape::Write => Some(asked.unwrap_or(limit).min(limit)),
    };
    let (_call, stream) = match places(&api, shape) {
        Ok(places) => places,
        Err(error) => return answer(error.into()),
    };
    let answered = match patience {
        Some(patience) => timeout(patience, next.run(request)).await.ok(),
        None => Some(next.run(request).await),
    };
    let answer =
        answered.map_or_else(|| late(patience.unwrap_or_default(), shape, key), told_alike);
    match stream {
        Some(place) => holding(answer, place),
        None => answer,
    }
}

/// What a call takes while it lasts: the place of one, or that of a stream.
type Places<'a> = (Option<SemaphorePermit<'a>>, Option<OwnedSemaphorePermit>);

fn places(api: &ApiState, shape: Shape) -> Result<Places<'_>, ApiError> {
    let is_stream = matches!(shape, Shape::In | Shape::Out);
    let call = (!is_stream).then(|| admitted(api)).transpose()?;
    Ok((call, is_stream.then(|| stream(api)).transpose()?))
}

/// Room for one more stream, where there is any.
fn stream(api: &ApiState) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(api.streams()).try_acquire_owned().map_err(|_| {
        let most = api.limits().streams;
        let detail = format!("{most} streams are open; end one, or ask another node");
        ApiError::new(Kind::TooMany, detail)
    })
}

/// The place is free once nothing more is said.
fn holding(answer: Response, place: OwnedSemaphorePermit) -> Response {
    answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &place;
            frame
        }))
    })
}

fn answer(status: Status) -> Response {
    status.into_http::<Body>()
}

/// A write without a key gets one of ours, so that it can be repeated whatever becomes of it.
fn with_key(headers: &mut HeaderMap) -> Option<HeaderValue> {
    headers.remove(OWN_KEY);
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        headers.extend(IdempotencyKey::fresh().header());
        headers.insert(OWN_KEY, HeaderValue::from_static("1"));
    }
    headers.get(IDEMPOTENCY_KEY).cloned()
}

fn late(patience: Duration, shape: Shape, key: Option<HeaderValue>) -> Response {
    let unknown = match shape {
        Shape::Read | Shape::Out => "",
        Shape::Write => {
            "; the outcome is unknown, and it is safe to repeat it with the idempotency-key of this \
             answer"
        }
        Shape::In => "; what was worked on by then is durable",
    };
    let detail = format!("no answer within {patience:?}{unknown}");
    let mut details = ErrorDetails::new();
    details.set_error_info("DEADLINE_EXCEEDED", DOMAIN, std::collections::HashMap::new());
    let status = Status::with_error_details(Code::DeadlineExceeded, detail, details);
    let mut response = answer(status);
    response.headers_mut().extend(key.map(|key| (IDEMPOTENCY_KEY, key)));
    response
}

/// The library says of a message that is too large what an outdated cursor is said of.
fn told_alike(response: Response) -> Response {
    let headers = response.headers();
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    let out_of_range = i32::from(Code::OutOfRange).to_string();
    if is(STATUS, &out_of_range) && !headers.contains_key(DETAILS) {
        let detail = "the message is longer than this node takes; send less at once";
        return answer(ApiError::new(Kind::TooLarge, detail).into());
    }
    response
}

/// How long the client waits, as it says.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    let number: u64 = number.parse().ok().filter(|_| number.len() <= 8)?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3_600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_as_grpc_writes_it() {
        let of = |text: &str| {
            patience(&HeaderMap::from_iter([(TIMEOUT.parse().unwrap(), text.parse().unwrap())]))
        };
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("2S"), Some(Duration::from_secs(2)));
        assert_eq!(of("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "S", "1", "1x", "123456789S", "-1S"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(patience(&HeaderMap::new()), None);
    }

    #[test]
    fn what_changes_something_is_known_by_its_name() {
        let of = |method: &str| Shape::of(&format!("/bellwether.v1.ResourceService/{method}"));
        assert_eq!(of("PutResource"), Shape::Write);
        assert_eq!(of("RemoveNode"), Shape::Write);
        assert_eq!(of("GetResource"), Shape::Read);
        assert_eq!(of("PushObservations"), Shape::In);
        assert_eq!(of("WatchResources"), Shape::Out);
    }
}
