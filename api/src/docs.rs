//! The description of the API, made from its handlers, and a page that shows it.

use axum::{
    Extension,
    body::Bytes,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::IntoResponse,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, Info, License, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr,
        Response, ResponseBuilder, path::Operation, schema::Schema,
    },
};

use crate::{
    error::{FieldView, ProblemView},
    query::NoQuery,
};

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

/// Completes what the handlers say by what holds for all of them.
pub(crate) fn document(handlers: OpenApi) -> Document {
    let mut info = Info::new("Bellwether", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Infrastructure monitoring: resources, their health, and what happens to them. Every \
         answer carries `X-Request-Id`, `Bellwether-Revision` and `Bellwether-Consistency`; \
         every error is a problem (RFC 9457)."
            .to_owned(),
    );
    info.license = Some(License::new("Apache-2.0"));
    let mut description = OpenApiBuilder::new().info(info).build();
    description.merge(handlers);
    let components = description.components.get_or_insert_default();
    add_problem(components);
    for item in description.paths.paths.values_mut() {
        operations(item).for_each(add_error);
    }
    Document(description.to_json().expect("a description is plain data").into())
}

fn add_problem(components: &mut Components) {
    let mut schemas = vec![
        (ProblemView::name().into_owned(), ProblemView::schema()),
        (FieldView::name().into_owned(), FieldView::schema()),
    ];
    ProblemView::schemas(&mut schemas);
    components.schemas.extend::<Vec<(String, RefOr<Schema>)>>(schemas);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

fn add_error(operation: &mut Operation) {
    let problem = Content::new(Some(Ref::from_schema_name(ProblemView::name())));
    let response: Response = ResponseBuilder::new()
        .description("What is wrong, and what to do")
        .content("application/problem+json", problem)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}
