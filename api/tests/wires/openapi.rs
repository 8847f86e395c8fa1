//! The description of the API and the page that shows it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::App;

const ROUTES: [(&str, &str); 37] = [
    ("get", "/api/v1/infrastructure/resources"),
    ("get", "/api/v1/infrastructure/resources/{id}"),
    ("put", "/api/v1/infrastructure/resources/{id}"),
    ("delete", "/api/v1/infrastructure/resources/{id}"),
    ("post", "/api/v1/infrastructure/resources/{id}/observations"),
    ("get", "/api/v1/infrastructure/resources/{id}/events"),
    ("get", "/api/v1/infrastructure/resources/{id}/policy"),
    ("get", "/api/v1/infrastructure/clusters/{cluster_id}/health"),
    ("get", "/api/v1/infrastructure/nodes/{node_id}/metrics"),
    ("get", "/api/v1/infrastructure/watch"),
    ("get", "/api/v1/infrastructure/maintenance"),
    ("get", "/api/v1/infrastructure/maintenance/{name}"),
    ("put", "/api/v1/infrastructure/maintenance/{name}"),
    ("delete", "/api/v1/infrastructure/maintenance/{name}"),
    ("get", "/api/v1/coverage"),
    ("get", "/api/v1/cluster"),
    ("post", "/api/v1/cluster/init"),
    ("post", "/api/v1/cluster/nodes/{node}/drain"),
    ("post", "/api/v1/cluster/nodes/{node}/resume"),
    ("delete", "/api/v1/cluster/nodes/{node}"),
    ("get", "/api/v1/sinks"),
    ("get", "/api/v1/config"),
    ("get", "/openapi.json"),
    ("get", "/docs"),
    ("get", "/metrics"),
    ("get", "/metrics/resources"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/startupz"),
    ("get", "/-/healthy"),
    ("get", "/-/ready"),
    ("post", "/-/reload"),
    ("post", "/api/v1/sinks/{sink}/reset"),
    ("get", "/api/v1/sinks/{sink}/subscriptions"),
    ("put", "/api/v1/sinks/{sink}/subscriptions/{name}"),
    ("delete", "/api/v1/sinks/{sink}/subscriptions/{name}"),
    ("post", "/api/v1/sinks/{sink}/subscriptions/{name}/reset"),
];

async fn description() -> Value {
    App::start().await.get("/openapi.json").await.json()
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_route_is_described() {
    let description = description().await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{description}");
    let described: BTreeSet<(String, String)> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    let expected: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, expected);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let description = description().await;
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn every_call_is_named_and_says_how_it_fails() {
    let description = description().await;
    let tags = description["tags"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} comes twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            let tag = &operation["tags"][0];
            assert!(tags.iter().any(|known| known["name"] == *tag), "{tag} has no description");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["schema"]["type"].is_string(), "{parameter} is of one type");
            }
            let problem = operation.pointer("/responses/default/content/application~1problem+json");
            assert!(problem.is_some(), "{method} {path} describes no errors");
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = part.trim_end_matches('}');
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(
                    parameters.iter().any(|p| p["name"] == name && p["in"] == "path"),
                    "{method} {path} does not describe {name}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_rows_description_names_the_fields_that_a_row_has() {
    let app = App::start().await;
    app.declare("svc:a", serde_json::json!({})).await;
    let row = app.get("/api/v1/infrastructure/resources/svc:a").await.json();
    let description = app.get("/openapi.json").await.json();
    let schema = &description["components"]["schemas"]["InfrastructureResource"];
    let mut fields: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let suppressed = "suppressed_by".to_owned();
    assert!(fields.remove(&suppressed), "it is shown only where it holds");
    let required = schema["required"].as_array().unwrap();
    assert_eq!(required.len(), fields.len(), "every other field is always there");
    assert_eq!(fields, row.as_object().unwrap().keys().collect());
}

#[tokio::test]
async fn what_a_client_sends_is_described_without_room_for_more() {
    let description = description().await;
    for name in ["Declaration", "MaintenanceRequest", "Observation"] {
        let schema = &description["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}");
    }
}

#[tokio::test]
async fn the_page_asks_nobody_else() {
    let page = App::start().await.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let text = page.text();
    for foreign in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!text.contains(foreign), "the page holds {foreign}");
    }
}
