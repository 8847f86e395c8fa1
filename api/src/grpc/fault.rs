//! An error of the API as a status of gRPC, with the details of `google.rpc`.

use std::time::Duration;

use axum::http::HeaderMap;
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::{ApiError, Kind};

/// Who speaks, in the details of an error.
pub(super) const DOMAIN: &str = "bellwether";
/// Clients take some KiB of metadata, and end the connection where there is more: characters of a
/// fault's field and of its description, of all faults that are told, and of the message.
const MOST_FIELD: usize = 200;
const MOST_DESCRIPTION: usize = 600;
const MOST_OF_ALL: usize = 2_500;
const MOST_MESSAGE: usize = 1_000;

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let (kind, detail) = (error.kind(), cut(error.detail(), MOST_MESSAGE));
        let mut details = ErrorDetails::new();
        details.set_error_info(kind.reason(), DOMAIN, std::collections::HashMap::new());
        let mut told = 0;
        for fault in error.errors() {
            let field = cut(fault.pointer.trim_matches(['?', '{', '}']), MOST_FIELD);
            let description = cut(&fault.detail, MOST_DESCRIPTION);
            told += field.len() + description.len();
            if told > MOST_OF_ALL {
                break;
            }
            details.add_bad_request_violation(field, description);
        }
        if let Some(seconds) = kind.retry_after() {
            details.set_retry_info(Some(Duration::from_secs(seconds)));
        }
        let mut status = Self::with_error_details(code(kind), detail, details);
        status.metadata_mut().as_mut().extend(of_ours(error.headers()));
        status
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The headers that are ours, as metadata. What HTTP says of itself has no place there.
pub(super) fn of_ours(headers: &HeaderMap) -> HeaderMap {
    let is_ours = |name: &str| name.starts_with("bellwether-") || name == "idempotency-key";
    let ours = headers.iter().filter(|(name, _)| is_ours(name.as_str()));
    ours.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An answer that carries headers of ours.
pub(super) fn with_headers<T>(answer: T, headers: &HeaderMap) -> tonic::Response<T> {
    let metadata = MetadataMap::from_headers(of_ours(headers));
    tonic::Response::from_parts(metadata, answer, tonic::Extensions::default())
}

const fn code(kind: Kind) -> Code {
    match kind {
        Kind::Invalid | Kind::MediaType | Kind::Unprocessable => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::UnknownPath | Kind::MethodNotAllowed => Code::Unimplemented,
        Kind::SlowRequest => Code::DeadlineExceeded,
        Kind::Conflict | Kind::Owned => Code::FailedPrecondition,
        // Somebody else was faster: read it again, and decide anew.
        Kind::Precondition => Code::Aborted,
        // As etcd says of what is compacted.
        Kind::Gone => Code::OutOfRange,
        Kind::TooLarge | Kind::TooMany | Kind::Full | Kind::DiskFull => Code::ResourceExhausted,
        Kind::ShortOfMemory | Kind::Unavailable => Code::Unavailable,
        // A client that tries "unavailable" again by itself would not send the key of this answer.
        Kind::OutcomeUnknown => Code::Unknown,
        Kind::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_reason_its_fields_and_when_to_come_back() {
        let status = Status::from(ApiError::invalid_at("?resource_type", "is none"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("INVALID_REQUEST"));
        let fields = &details.bad_request().unwrap().field_violations;
        assert_eq!(
            (fields[0].field.as_str(), fields[0].description.as_str()),
            ("resource_type", "is none")
        );
        let status = Status::from(ApiError::new(Kind::Unavailable, "later"));
        let retry = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
        assert_eq!((status.code(), retry), (Code::Unavailable, Some(Duration::from_secs(1))));
    }

    #[test]
    fn however_much_is_wrong_it_fits_into_metadata() {
        let fault = |n: usize| model::decode::Problem {
            pointer: format!("/{n}/{}", "p".repeat(500)),
            detail: "d".repeat(5_000),
        };
        let status = Status::from(ApiError::invalid((0..200).map(fault).collect()));
        assert!(status.details().len() < 6_000, "{}", status.details().len());
        assert_eq!(status.get_error_details().bad_request().unwrap().field_violations.len(), 3);
    }

    #[test]
    fn metadata_are_ours_alone() {
        let mut headers = HeaderMap::new();
        headers.insert("bellwether-revision", "7".parse().unwrap());
        headers.insert("retry-after", "1".parse().unwrap());
        let error = ApiError::new(Kind::OutcomeUnknown, "who knows").with_headers(headers);
        let status = Status::from(error);
        assert_eq!(status.metadata().get("bellwether-revision").unwrap(), "7");
        assert!(status.metadata().get("retry-after").is_none());
    }
}
