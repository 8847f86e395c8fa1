//! The kinds of problem that clients can tell apart by `type` and status.

use axum::http::StatusCode;

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request is wrong; change it.
    Invalid,
    /// The resource, window or cluster is not there.
    NotFound,
    /// The path is none of the API's.
    UnknownPath,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The body did not arrive in time.
    SlowRequest,
    /// The state forbids it.
    Conflict,
    /// Somebody else declared the resource.
    Owned,
    /// The cursor is of no use any more; list again.
    Gone,
    /// The resource is not as `If-Match` or `If-None-Match` expects.
    Precondition,
    /// The body is too long.
    TooLarge,
    /// The body is not JSON.
    MediaType,
    /// The request is well formed and cannot be right.
    Unprocessable,
    /// Too much at once; come back later.
    TooMany,
    /// A limit of the cluster is reached.
    Full,
    /// The node's disk is full.
    DiskFull,
    /// Memory is short; reads that take much of it come back later.
    ShortOfMemory,
    /// A fault of ours.
    Internal,
    /// Nothing was done; come back later.
    Unavailable,
    /// It may have been done; repeat it with the same key.
    OutcomeUnknown,
}

impl Kind {
    /// The HTTP status.
    pub(crate) const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The `type` of the problem.
    pub(crate) fn uri(self) -> String {
        format!("urn:bellwether:problem:{}", self.parts().1)
    }

    /// The same as a reason of `google.rpc.ErrorInfo`.
    pub(crate) fn reason(self) -> String {
        self.parts().1.to_ascii_uppercase().replace('-', "_")
    }

    /// The `title` of the problem.
    pub(crate) const fn title(self) -> &'static str {
        self.parts().2
    }

    /// After how many seconds to come back, where that helps.
    pub(crate) const fn retry_after(self) -> Option<u64> {
        match self {
            Self::TooMany | Self::Unavailable | Self::OutcomeUnknown => Some(1),
            Self::ShortOfMemory => Some(5),
            _ => None,
        }
    }

    /// The kind of an answer that did not come from our handlers.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::UnknownPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            status if status.is_client_error() => Self::Invalid,
            _ => Self::Internal,
        }
    }

    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid => (StatusCode::BAD_REQUEST, "invalid-request", "invalid request"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "not found"),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "unknown path"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "method not allowed")
            }
            Self::SlowRequest => (StatusCode::REQUEST_TIMEOUT, "slow-request", "slow request"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "conflict"),
            Self::Owned => (StatusCode::CONFLICT, "owned-by-another", "owned by somebody else"),
            Self::Gone => (StatusCode::GONE, "cursor-gone", "cursor gone"),
            Self::Precondition => {
                (StatusCode::PRECONDITION_FAILED, "precondition-failed", "precondition failed")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "body too large"),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "not JSON")
            }
            Self::Unprocessable => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "cannot be processed")
            }
            Self::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "too many requests")
            }
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "limit-reached", "limit reached"),
            Self::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "disk-full", "disk full"),
            Self::ShortOfMemory => {
                (StatusCode::SERVICE_UNAVAILABLE, "short-of-memory", "short of memory")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "unavailable"),
            Self::OutcomeUnknown => {
                (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", "outcome unknown")
            }
        }
    }
}
