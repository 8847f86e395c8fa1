//! The headers that say where an answer stands and under which condition a request counts.

mod etag;
mod key;
mod stamp;

use axum::http::HeaderName;

pub(crate) use etag::{EntityTag, WriteCondition, unchanged};
pub(crate) use key::IdempotencyKey;
pub(crate) use stamp::{Stamp, joined};

pub(crate) const REVISION: HeaderName = HeaderName::from_static("bellwether-revision");
pub(crate) const CONSISTENCY: HeaderName = HeaderName::from_static("bellwether-consistency");
pub(crate) const CURSOR: HeaderName = HeaderName::from_static("bellwether-cursor");
pub(crate) const MISSING_SHARDS: HeaderName = HeaderName::from_static("bellwether-missing-shards");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whether a header's value is 1 to `max` visible ASCII characters.
pub(crate) fn is_visible(value: &[u8], max: usize) -> bool {
    (1..=max).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}
