//! Completes what the handlers say of themselves by what holds for all of them.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, Info, License, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr,
        Response, ResponseBuilder,
        path::{Operation, Parameter},
        schema::{AdditionalProperties, Schema, SchemaType, Type},
        tag::{Tag, TagBuilder},
    },
};

use super::Document;
use crate::error::{FieldView, ProblemView};

const TAGS: [(&str, &str); 6] = [
    ("resources", "What is watched, and how it is"),
    ("events", "What happens, as it happens and afterwards"),
    ("maintenance", "Announced work on resources"),
    ("coverage", "How much of the schedule was kept"),
    ("cluster", "The monitor's own nodes, shards and configuration"),
    ("operations", "What orchestrators, Prometheus and people who run a node need"),
];

/// Bodies whose unknown keys are errors.
const STRICT: [&str; 3] = ["Declaration", "MaintenanceRequest", "Observation"];

/// The whole description, from those of the handlers.
pub(crate) fn document(handlers: OpenApi) -> Document {
    let tags = TAGS.map(|(name, meaning)| tag(name, meaning));
    let mut description = OpenApiBuilder::new().info(info()).tags(Some(tags)).build();
    description.merge(handlers);
    let components = description.components.get_or_insert_default();
    add_problem(components);
    STRICT.iter().for_each(|name| close(components, name));
    for operation in description.paths.paths.values_mut().flat_map(operations) {
        operation.parameters.iter_mut().flatten().for_each(never_null);
        add_error(operation);
    }
    Document(description.to_json().expect("a description is plain data").into())
}

fn info() -> Info {
    let mut info = Info::new("Bellwether", env!("CARGO_PKG_VERSION"));
    let about = "Infrastructure monitoring: resources, their health, and what happens to them. \
                 Every answer carries `X-Request-Id`, `Bellwether-Revision` and \
                 `Bellwether-Consistency`; every error is a problem (RFC 9457).";
    info.description = Some(about.to_owned());
    info.license = Some(License::new("Apache-2.0"));
    info
}

fn tag(name: &str, meaning: &str) -> Tag {
    TagBuilder::new().name(name).description(Some(meaning)).build()
}

fn add_problem(components: &mut Components) {
    let mut schemas = vec![
        (ProblemView::name().into_owned(), ProblemView::schema()),
        (FieldView::name().into_owned(), FieldView::schema()),
    ];
    ProblemView::schemas(&mut schemas);
    components.schemas.extend::<Vec<(String, RefOr<Schema>)>>(schemas);
}

fn close(components: &mut Components, name: &str) {
    if let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) {
        schema.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// A parameter that may be absent is no null when it is there.
fn never_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(Parameter { schema: Some(RefOr::T(Schema::Object(schema))), .. }) = parameter
        && let SchemaType::Array(types) = &mut schema.schema_type
    {
        types.retain(|allowed| *allowed != Type::Null);
        if let [only] = &types[..] {
            schema.schema_type = SchemaType::Type(only.clone());
        }
    }
}

fn add_error(operation: &mut Operation) {
    let problem = Content::new(Some(Ref::from_schema_name(ProblemView::name())));
    let response: Response = ResponseBuilder::new()
        .description("What is wrong, and what to do")
        .content("application/problem+json", problem)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}
