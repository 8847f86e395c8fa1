//! Where an answer stands: its revision, how fresh it is, and which shards are missing.

use std::convert::Infallible;

use axum::{
    http::{HeaderMap, HeaderValue},
    response::{IntoResponseParts, ResponseParts},
};
use model::{Millis, Revision, ShardId};
use raft::{Consistency, Read, Served};

use super::{CONSISTENCY, MISSING_SHARDS, REVISION};

/// The headers that every answer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    revision: Revision,
    served: Served,
    missing: Vec<ShardId>,
}

impl Stamp {
    /// Of an answer that was read.
    pub(crate) fn of<T>(read: &Read<T>) -> Self {
        Self { revision: read.revision, served: read.served, missing: read.missing.clone() }
    }

    /// Of a write that was committed at `revision`.
    pub(crate) fn committed(revision: Revision) -> Self {
        let served = Served { consistency: Consistency::Linearizable, age: Millis(0) };
        Self { revision, served, missing: Vec::new() }
    }

    /// Of what a node says of itself: its own view, as of now.
    pub(crate) fn own(revision: Revision) -> Self {
        let served = Served { consistency: Consistency::Stale, age: Millis(0) };
        Self { revision, served, missing: Vec::new() }
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(REVISION, HeaderValue::from(self.revision.0));
        headers.insert(CONSISTENCY, self.consistency());
        if !self.missing.is_empty() {
            let named = HeaderValue::from_str(&joined(&self.missing));
            headers.insert(MISSING_SHARDS, named.expect("digits and commas are visible"));
        }
        headers
    }

    fn consistency(&self) -> HeaderValue {
        match self.served.consistency {
            Consistency::Linearizable => HeaderValue::from_static("linearizable"),
            Consistency::Stale => {
                let text = format!("stale; age={}ms", self.served.age.0);
                HeaderValue::from_str(&text).expect("digits and letters are visible")
            }
        }
    }
}

impl IntoResponseParts for Stamp {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.headers_mut().extend(self.headers());
        Ok(parts)
    }
}

/// Shards as `3,7`.
pub(crate) fn joined(shards: &[ShardId]) -> String {
    shards.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_fresh_it_is_and_what_is_missing() {
        let headers = Stamp::committed(Revision(7)).headers();
        assert_eq!(headers[REVISION], "7");
        assert_eq!(headers[CONSISTENCY], "linearizable");
        assert!(!headers.contains_key(MISSING_SHARDS));
        let served = Served { consistency: Consistency::Stale, age: Millis(120) };
        let missing = vec![ShardId(3), ShardId(7)];
        let headers = Stamp { revision: Revision(1), served, missing }.headers();
        assert_eq!(headers[CONSISTENCY], "stale; age=120ms");
        assert_eq!(headers[MISSING_SHARDS], "3,7");
    }
}
