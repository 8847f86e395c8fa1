//! The name of a write, under which its outcome is kept (SEMANTICS 17).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, request::Parts},
};
use raft::ProposeError;
use tokio::time::timeout;
use uuid::Uuid;

use super::{IDEMPOTENCY_KEY, is_visible};
use crate::{
    error::{ApiError, Kind},
    limits::Limits,
};

const MAX: usize = 200;

/// The caller's `Idempotency-Key`, or one of ours where it sent none. Every answer to a write
/// returns it, so that a write of unknown outcome can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey {
    text: String,
    chosen: bool,
}

impl IdempotencyKey {
    /// The key for the shards. It holds for one kind of write to one thing, so that a key that
    /// a client uses again elsewhere does not get it the answer about something else.
    pub(crate) fn request(&self, write: &str, name: &str) -> Option<String> {
        Some(format!("{write} {name} {}", self.text))
    }

    /// One of ours.
    pub(crate) fn fresh() -> Self {
        Self { text: Uuid::new_v4().to_string(), chosen: false }
    }

    /// One of ours that came with the request.
    pub(crate) fn not_chosen(self) -> Self {
        Self { chosen: false, ..self }
    }

    /// Whether the caller chose it.
    pub(crate) fn is_chosen(&self) -> bool {
        self.chosen
    }

    /// The answer's header.
    pub(crate) fn header(&self) -> HeaderMap {
        let value = HeaderValue::from_str(&self.text).expect("the key is visible ASCII");
        HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)])
    }

    /// Waits for a write under this key; what takes too long has an unknown outcome.
    pub(crate) async fn within<T>(
        &self,
        limits: &Limits,
        write: impl Future<Output = Result<T, ProposeError>>,
    ) -> Result<T, ApiError> {
        let outcome = timeout(limits.write_timeout(), write).await;
        let late = "outcome unknown; it is safe to repeat the request with the Idempotency-Key of \
                    this answer";
        let outcome = outcome.map_err(|_| ApiError::new(Kind::OutcomeUnknown, late));
        outcome
            .and_then(|outcome| outcome.map_err(ApiError::from))
            .map_err(|error| error.with_headers(self.header()))
    }

    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(IDEMPOTENCY_KEY) {
                Err(ApiError::invalid_at("Idempotency-Key", "is given twice"))
            } else {
                Ok(Self::fresh())
            };
        };
        if !is_visible(value.as_bytes(), MAX) {
            let detail = format!("has 1 to {MAX} visible ASCII characters, such as a UUID");
            return Err(ApiError::invalid_at("Idempotency-Key", detail));
        }
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Self { text, chosen: true })
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse};

    use super::*;

    fn read(values: &[&[u8]]) -> Result<IdempotencyKey, ApiError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::read(&headers)
    }

    #[test]
    fn semantics_17_the_callers_key_is_used_as_it_is() {
        let key = read(&[b"a-1"]).unwrap();
        assert_eq!(key.request("put", "host:n1").as_deref(), Some("put host:n1 a-1"));
        assert!(key.is_chosen());
        assert_eq!(key.header()[IDEMPOTENCY_KEY], "a-1");
    }

    #[test]
    fn semantics_17_a_write_without_a_key_gets_one_of_its_own() {
        let (first, second) = (read(&[]).unwrap(), read(&[]).unwrap());
        assert_ne!(first, second);
        assert!(!first.is_chosen());
    }

    #[tokio::test(start_paused = true)]
    async fn semantics_17_a_write_that_takes_too_long_can_be_repeated_under_its_key() {
        let key = read(&[b"a-1"]).unwrap();
        let never = std::future::pending::<Result<(), ProposeError>>();
        let error = key.within(&Limits::default(), never).await.unwrap_err();
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[IDEMPOTENCY_KEY], "a-1");
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let long = [b'x'; MAX + 1];
        for bad in [&b""[..], b"a b", b"\xff", &long] {
            assert!(read(&[bad]).is_err(), "{bad:?}");
        }
        assert!(read(&[b"a", b"b"]).is_err());
    }
}
