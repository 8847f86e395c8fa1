//! The schema against the decoders and against the embedded document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Origins, yaml};

/// Keys that decoders know only to refuse them as "not in this version".
const LATER: [&str; 10] = [
    "retention",
    "auth",
    "sources",
    "alerts",
    "routes",
    "receivers",
    "kafka",
    "webhook",
    "runbook",
    "prober_region",
];

/// What the decoder says is allowed where it meets a key that resembles nothing.
fn decoder_keys(pointer: &str, document: &Value) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.yaml");
    let mut document = document.clone();
    document.pointer_mut(pointer).unwrap()["%%%%%%%%%%%%%%%%"] = json!(1);
    std::fs::write(&file, document.to_string()).unwrap();
    let origins = Origins { file: Some(file), ..Origins::default() };
    let problems = Config::load(&origins).unwrap_err().problems;
    let unknown = problems.iter().find_map(|p| p.detail.split_once("`; allowed are "));
    let (_, allowed) = unknown.unwrap_or_else(|| panic!("{pointer}: {problems:?}"));
    allowed.split(", ").filter(|key| !LATER.contains(key)).map(str::to_owned).collect()
}

fn schema_keys(pointer: &str) -> BTreeSet<String> {
    let schema = schema();
    let object = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    object["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_decoders() {
    let resource = json!({"type": "HOST", "name": "x", "check": {"host": {}},
        "thresholds": {"m": {"warning": 1}}, "flapping": {"changes": 2, "window": "1m"}});
    let document = json!({"cluster": {}, "node": {}, "listen": {}, "defaults": {},
        "sinks": [{"file": {"path": "x"}}, {"pulsar": {"url": "x", "topic": "x", "tls": {}, "oauth2": {}}}], "secrets": {"s": {"file": "x"}},
        "resources": [resource]});
    let item = "/properties/resources/items";
    for (document_at, schema_at) in [
        ("", ""),
        ("/cluster", "/properties/cluster"),
        ("/node", "/properties/node"),
        ("/listen", "/properties/listen"),
        ("/defaults", "/properties/defaults"),
        ("/sinks/0", "/properties/sinks/items"),
        ("/sinks/0/file", "/properties/sinks/items/properties/file"),
        ("/sinks/1/pulsar", "/properties/sinks/items/properties/pulsar"),
        ("/sinks/1/pulsar/tls", "/properties/sinks/items/properties/pulsar/properties/tls"),
        ("/sinks/1/pulsar/oauth2", "/properties/sinks/items/properties/pulsar/properties/oauth2"),
        ("/secrets/s", "/properties/secrets/additionalProperties"),
        ("/resources/0", item),
        (
            "/resources/0/thresholds/m",
            &format!("{item}/properties/thresholds/additionalProperties"),
        ),
        ("/resources/0/flapping", &format!("{item}/properties/flapping/anyOf/2")),
    ] {
        assert_eq!(schema_keys(schema_at), decoder_keys(document_at, &document), "{document_at:?}");
    }
}

#[test]
fn the_schema_has_exactly_the_keys_of_every_check() {
    let item = "/properties/resources/items/properties/check";
    for kind in schema_keys(item) {
        let document = json!({"resources": [{"type": "HOST", "name": "x", "check": {&kind: {}}}]});
        let known = decoder_keys(&format!("/resources/0/check/{kind}"), &document);
        assert_eq!(schema_keys(&format!("{item}/properties/{kind}")), known, "{kind}");
    }
}

#[test]
fn the_schema_tells_what_a_file_sink_does_by_itself() {
    let usual = actors::sink::FileSettings::new("file", "events.jsonl");
    let file = &schema()["properties"]["sinks"]["items"]["properties"]["file"]["properties"];
    assert_eq!(file["rotate_bytes"]["default"], usual.rotate_bytes);
    assert_eq!(file["keep"]["default"], usual.keep);
}

#[test]
fn the_quick_start_is_valid_by_the_schema() {
    let document = Config::load(&Origins::default()).unwrap().document;
    assert_eq!(violations(&schema(), &document, ""), [""; 0]);
    let mut broken = document;
    broken["node"]["naem"] = json!(1);
    broken["cluster"]["shards"] = json!("many");
    broken["resources"][1]["check"]["tcp"] = json!({});
    let found = violations(&schema(), &broken, "");
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn the_yaml_reader_and_the_schema_agree_on_null_sections() {
    let source = crate::config::place::Sources::default()
        .add(crate::config::place::Source::File(String::new()));
    let tree = yaml::parse("node:\nresources:\nsinks:\n", source, &mut 100).tree.unwrap();
    assert_eq!(violations(&schema(), &tree.value, ""), [""; 0]);
}

/// The structural part of JSON Schema that ours uses.
fn violations(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(all) = schema["anyOf"].as_array()
        && !all.iter().any(|one| violations(one, value, at).is_empty())
    {
        found.push(format!("{at}: none of anyOf"));
    }
    if !type_matches(&schema["type"], value) {
        found.push(format!("{at}: is not {}", schema["type"]));
    }
    if let Some(object) = value.as_object() {
        let least = schema["minProperties"].as_u64().unwrap_or(0);
        let most = schema["maxProperties"].as_u64().unwrap_or(u64::MAX);
        if !(least..=most).contains(&(object.len() as u64)) {
            found.push(format!("{at}: has {} properties", object.len()));
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(required.as_str().unwrap()) {
                found.push(format!("{at}: lacks {required}"));
            }
        }
        for (key, value) in object {
            let known = &schema["properties"][key];
            let inner = if known.is_null() { &schema["additionalProperties"] } else { known };
            if inner == &json!(false) {
                found.push(format!("{at}/{key}: is not allowed"));
            } else {
                found.extend(violations(inner, value, &format!("{at}/{key}")));
            }
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(violations(&schema["items"], item, &format!("{at}/{n}")));
    }
    found
}

fn type_matches(types: &Value, value: &Value) -> bool {
    let one = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    types.as_array().map_or_else(|| one(types), |all| all.iter().any(one))
}
