//! The body of an error.

use axum::{
    Json,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, Kind};

const CONTENT: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView {
    /// Which kind of problem: a URN that programs can compare.
    #[schema(examples("urn:bellwether:problem:not-found"))]
    r#type: String,
    /// The kind, for people.
    title: &'static str,
    /// The HTTP status.
    #[schema(examples(404))]
    status: u16,
    /// What is wrong here, and what to do.
    detail: String,
    /// The id of the request, as in `X-Request-Id`.
    request_id: String,
    /// Every bad field of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldView>,
}

/// One bad field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldProblem)]
pub(crate) struct FieldView {
    /// Where: a JSON pointer (RFC 6901) into the body, `?NAME` for a query parameter, `{NAME}`
    /// for a part of the path, or the name of a header.
    #[schema(examples("/check/http/url"))]
    pointer: String,
    /// What is wrong and what is allowed.
    detail: String,
}

/// Writes the body of an error; other answers pass unchanged.
pub(crate) fn render(mut response: Response, request_id: &str) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        return with_body(response, &error, request_id);
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && response.headers().get(CONTENT_TYPE) != Some(&CONTENT) {
        let kind = Kind::of_status(status);
        return with_body(response, &ApiError::new(kind, foreign_detail(kind)), request_id);
    }
    response
}

fn with_body(response: Response, error: &ApiError, request_id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    let (status, inner) = (parts.status, &error.0);
    let view = ProblemView {
        r#type: inner.kind.uri(),
        title: inner.kind.title(),
        status: status.as_u16(),
        detail: inner.detail.clone(),
        request_id: request_id.to_owned(),
        errors: inner.errors.iter().map(FieldView::from).collect(),
    };
    let (fresh, body) = Json(view).into_response().into_parts();
    parts.headers.extend(fresh.headers);
    parts.headers.insert(CONTENT_TYPE, CONTENT);
    Response::from_parts(parts, body)
}

fn foreign_detail(kind: Kind) -> &'static str {
    match kind {
        Kind::UnknownPath => "there is nothing at this path; /docs lists what there is",
        Kind::MethodNotAllowed => "this path does not take the method; `Allow` lists those it does",
        Kind::Internal => "the fault is on this side; the log has more under the request id",
        _ => "the request cannot be read",
    }
}

impl From<&model::decode::Problem> for FieldView {
    fn from(problem: &model::decode::Problem) -> Self {
        Self { pointer: problem.pointer.clone(), detail: problem.detail.clone() }
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::to_bytes,
        http::{StatusCode, header::RETRY_AFTER},
    };
    use model::decode::Problem;
    use serde_json::{Value, json};

    use super::*;

    async fn body(response: Response) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_lists_every_bad_field() {
        let field = |pointer: &str| Problem { pointer: pointer.into(), detail: "is bad".into() };
        let error = ApiError::invalid(vec![field("/a"), field("/b")]);
        let response = render(error.into_response(), "r1");
        assert_eq!(response.headers()[CONTENT_TYPE], CONTENT);
        assert_eq!(
            body(response).await,
            json!({
                "type": "urn:bellwether:problem:invalid-request", "title": "invalid request",
                "status": 400, "detail": "2 fields are wrong; `errors` lists them",
                "request_id": "r1", "errors": [
                    {"pointer": "/a", "detail": "is bad"}, {"pointer": "/b", "detail": "is bad"}]
            })
        );
    }

    #[tokio::test]
    async fn a_problem_lists_no_more_fields_than_anybody_reads() {
        let field = |n: usize| Problem { pointer: format!("/{n}"), detail: "is bad".into() };
        let error = ApiError::invalid((0..100_000).map(field).collect());
        let problem = body(render(error.into_response(), "r1")).await;
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(100));
        assert_eq!(problem["detail"], "100000 fields are wrong; `errors` lists the first 100");
    }

    #[tokio::test]
    async fn who_may_come_back_is_told_when() {
        for kind in [Kind::TooMany, Kind::Unavailable, Kind::OutcomeUnknown] {
            let response = render(ApiError::new(kind, "later").into_response(), "r1");
            assert_eq!(response.headers()[RETRY_AFTER], "1", "{kind:?}");
        }
    }

    #[tokio::test]
    async fn an_error_that_is_not_ours_becomes_a_problem_too() {
        let response = render(StatusCode::METHOD_NOT_ALLOWED.into_response(), "r1");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(body(response).await["type"], "urn:bellwether:problem:method-not-allowed");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_error_passes() {
        let response = render(Json(json!({"a": 1})).into_response(), "r1");
        assert_eq!(body(response).await, json!({"a": 1}));
    }
}
