//! The configuration of `bellwether run` without a file.

use std::net::SocketAddr;

use serde_json::Value;

use super::{
    place::{Source, Sources, Tree},
    sections::local_address,
    yaml,
};

/// The document, embedded in the binary.
pub(crate) const TEXT: &str = include_str!("../quickstart.yaml");

/// What the document is called in messages.
const NAME: &str = "quickstart.yaml (embedded)";

/// The document as it stands, its variables not yet replaced.
pub(super) fn read(sources: &mut Sources, budget: &mut usize) -> yaml::Parsed {
    yaml::parse(TEXT, sources.add(Source::File(NAME.to_owned())), budget)
}

/// Replaces the variables by the values in force, after environment and flags had their say,
/// so that the node watches itself where it really is.
pub(super) fn substitute(tree: &mut Tree) {
    let text = |pointer: &str| {
        tree.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let http = text("/listen/http");
    let http = http.parse::<SocketAddr>().map_or(http, |http| local_address(http).to_string());
    let data_dir = text("/node/data_dir");
    let variables =
        [("${HTTP}", http), ("${DATA_DIR}", data_dir), ("${NODE}", text("/node/name"))];
    replace(&mut tree.value, &variables);
}

/// The document is our own, so its depth is known.
fn replace(value: &mut Value, variables: &[(&str, String)]) {
    match value {
        Value::String(text) => {
            for (name, replacement) in variables {
                if text.contains(name) {
                    *text = text.replace(name, replacement);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, variables)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, variables)),
        _ => {}
    }
}
