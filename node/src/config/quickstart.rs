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
///
/// # Errors
/// Where the node would only know its port once it listens, and so could not watch it.
pub(super) fn substitute(tree: &mut Tree) -> Result<(), &'static str> {
    let text = |pointer: &str| {
        tree.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let http = text("/listen/http");
    let address = http.parse::<SocketAddr>();
    if address.as_ref().is_ok_and(|address| address.port() == 0) {
        return Err(
            "names no port, but the quick start checks its own; name one, or use a --config",
        );
    }
    let http = address.map_or(http, |http| local_address(http).to_string());
    let data_dir = text("/node/data_dir");
    let variables = [("${HTTP}", http), ("${DATA_DIR}", data_dir), ("${NODE}", text("/node/name"))];
    replace(&mut tree.value, &variables);
    Ok(())
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
