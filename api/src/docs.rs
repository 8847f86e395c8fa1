//! The description of the API, made from its handlers, and a page that shows it.

mod describe;

use axum::{
    Extension,
    body::Bytes,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::IntoResponse,
};
pub(crate) use describe::document;

use crate::query::NoQuery;

const PAGE: &str = include_str!("docs/page.html");
/// The page may run what stands in it and ask this node; nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The description as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Document(Bytes);

/// Shows this description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "getOpenApi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(crate) async fn openapi(
    Extension(Document(bytes)): Extension<Document>,
    _: NoQuery,
) -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes)
}

/// Shows this description as a page, without a request to anybody else.
#[utoipa::path(
    get, path = "/docs", tag = "operations", operation_id = "getDocs",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
pub(crate) async fn page(_: NoQuery) -> impl IntoResponse {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, PAGE)
}
