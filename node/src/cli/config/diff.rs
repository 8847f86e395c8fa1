//! What one document has that another has not, key by key and resource by resource.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;

use crate::{
    cli::{output::Output, text::printable},
    config::written_id,
};

/// One key or resource that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Difference {
    /// `listen.http`, or a resource's id, or `ID: key` within it.
    pub(super) path: String,
    /// What the node has; absent where the file adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<Value>,
    /// What the file has; absent where the file removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<Value>,
}

/// What the file would change on the node.
pub(super) fn compare(node: &Value, file: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let (ours, theirs) = (without_resources(file), without_resources(node));
    values("", Some(&theirs), Some(&ours), ".", &mut found);
    let (ours, theirs) = (by_id(file), by_id(node));
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for id in ids {
        match (theirs.get(id), ours.get(id)) {
            (Some(node), Some(file)) => values(id, Some(node), Some(file), ": ", &mut found),
            (node, file) => found.push(Difference {
                path: id.clone(),
                node: node.map(|value| (*value).clone()),
                file: file.map(|value| (*value).clone()),
            }),
        }
    }
    found
}

impl Difference {
    /// `+` what the file adds, `-` what it removes, `~` what it changes.
    pub(super) fn line(&self, output: &Output) -> String {
        let path = printable(&self.path);
        let (text, colour) = match (&self.node, &self.file) {
            (None, Some(file)) => (format!("+ {path}{}", short(file)), AnsiColor::Green),
            (Some(_), None) => (format!("- {path}"), AnsiColor::Red),
            (Some(node), Some(file)) => {
                (format!("~ {path}: {} → {}", one_line(node), one_line(file)), AnsiColor::Yellow)
            }
            (None, None) => (format!("  {path}"), AnsiColor::White),
        };
        output.styled(&text, Style::new().fg_color(Some(colour.into()))) + "\n"
    }
}

fn short(value: &Value) -> String {
    if value.is_object() { String::new() } else { format!(": {}", one_line(value)) }
}

fn one_line(value: &Value) -> String {
    printable(&value.to_string())
}

fn values(
    path: &str,
    node: Option<&Value>,
    file: Option<&Value>,
    separator: &str,
    found: &mut Vec<Difference>,
) {
    // A key that is null counts as one that is not there.
    let (node, file) = (node.filter(|v| !v.is_null()), file.filter(|v| !v.is_null()));
    if node == file {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (node, file) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let inner =
                if path.is_empty() { key.clone() } else { format!("{path}{separator}{key}") };
            values(&inner, before.get(key), after.get(key), ".", found);
        }
        return;
    }
    found.push(Difference { path: path.to_owned(), node: node.cloned(), file: file.cloned() });
}

fn without_resources(document: &Value) -> Value {
    let mut document = document.clone();
    if let Value::Object(map) = &mut document {
        map.remove("resources");
    }
    document
}

fn by_id(document: &Value) -> BTreeMap<String, &Value> {
    let resources = document["resources"].as_array().into_iter().flatten();
    resources.filter_map(|resource| Some((written_id(resource)?.to_string(), resource))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::args::Format;

    #[test]
    fn what_a_file_would_change_is_listed_key_by_key() {
        let node = json!({"node": {"name": "n1", "zone": "a"}, "resources": [
            {"type": "HOST", "name": "n1", "check": {"host": {}}},
            {"type": "ENDPOINT", "name": "shop", "interval": "5s", "check": {"http": {"url": "x"}}}]});
        let file = json!({"node": {"name": "n1"}, "secrets": null, "resources": [
            {"type": "endpoint", "name": "shop", "interval": "9s", "check": {"http": {"url": "y"}}},
            {"id": "new", "type": "HOST", "name": "n2"}]});
        let output = Output { format: Format::Table, colour: false, width: None };
        let lines: Vec<_> = compare(&node, &file).iter().map(|d| d.line(&output)).collect();
        assert_eq!(
            lines,
            [
                "- node.zone\n",
                "~ endpoint:shop: check.http.url: \"x\" → \"y\"\n",
                "~ endpoint:shop: interval: \"5s\" → \"9s\"\n",
                "~ endpoint:shop: type: \"ENDPOINT\" → \"endpoint\"\n",
                "- host:n1\n",
                "+ new\n",
            ]
        );
        assert_eq!(compare(&node, &node), []);
    }
}
