//! Errors as clients see them: problems by RFC 9457, in one place.
//!
//! Invariant: an [`ApiError`] becomes a body in [`render`] and nowhere else, because only the
//! outermost layer knows the request's id.

mod kind;
mod mapping;
mod problem;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use model::decode::{Problem as FieldProblem, Problems};

pub(crate) use kind::Kind;
pub(crate) use mapping::refusal;
pub(crate) use problem::{FieldView, ProblemView, render};

/// The most faults that one answer lists: a body of a mebibyte can have hundreds of thousands.
const MOST: usize = 100;

/// Why a request has no answer, and what its sender can do about it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    detail: String,
    errors: Vec<FieldProblem>,
    headers: HeaderMap,
}

impl ApiError {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = kind.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Self(Box::new(Inner { kind, detail: detail.into(), errors: Vec::new(), headers }))
    }

    /// A request with these faults, each with its place.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match &errors[..] {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            several if several.len() > MOST => {
                format!("{} fields are wrong; `errors` lists the first {MOST}", several.len())
            }
            several => format!("{} fields are wrong; `errors` lists them", several.len()),
        };
        Self::new(Kind::Invalid, detail).with_errors(errors)
    }

    /// A request with one fault. `pointer` is a JSON pointer into the body, `?NAME` for a
    /// query parameter, `{NAME}` for a part of the path, or the name of a header.
    pub(crate) fn invalid_at(pointer: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldProblem { pointer: pointer.to_owned(), detail: detail.into() }])
    }

    /// The same with a list of faults.
    pub(crate) fn with_errors(mut self, mut errors: Vec<FieldProblem>) -> Self {
        errors.truncate(MOST);
        self.0.errors = errors;
        self
    }

    /// The faults that reading a document found.
    pub(crate) fn from_problems(problems: Problems) -> Self {
        Self::invalid(problems.into_vec())
    }

    /// The same with other names for the places of its faults.
    pub(crate) fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        for fault in &mut self.0.errors {
            fault.pointer = name(&fault.pointer);
        }
        self
    }

    /// The same with more headers on its answer.
    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What is wrong here, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The faults, each with its place.
    pub(crate) fn errors(&self) -> &[FieldProblem] {
        &self.0.errors
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.kind.status()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.headers_mut().extend(self.0.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}
