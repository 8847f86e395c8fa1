//! `bellwether sinks` without a command.

use serde_json::Value;

use super::SINKS;
use crate::cli::{
    client::{Client, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, shown, text},
    table::TableView,
    text::grouped,
};

/// Shows where events go and how far they got. Exits 1 where a sink is broken.
pub(super) async fn run(client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let sinks = client.get(&SINKS, &[], &Query::new()).await?.body;
    let names = |sinks: &Value| items(sinks).iter().map(|sink| shown(&sink["name"])).collect();
    output.show(&sinks, names, |output| output.table(&table(&sinks)))?;
    silent(&sinks).iter().for_each(|line| note(line));
    let broken = items(&sinks).iter().any(|sink| text(sink, "state") == "broken");
    Ok(if broken { Verdict::Bad } else { Verdict::Good })
}

fn table(sinks: &Value) -> TableView {
    let mut table =
        TableView::new(&["NAME", "KIND", "STATE", "BEHIND", "EVENTS/S", "SHARDS", "LAST ERROR"]);
    for sink in items(sinks) {
        let shards = items(&sink["shards"]);
        let level = shards.iter().filter(|shard| shard["cursor_offset"] == shard["head_offset"]);
        table.row([
            text(sink, "name"),
            &shown(&sink["kind"]),
            &shown(&sink["state"]),
            &grouped(sink["lag_events"].as_u64().unwrap_or(0)),
            &format!("{:.2}", sink["events_per_second"].as_f64().unwrap_or(0.0)),
            &format!("{}/{} level", level.count(), shards.len()),
            &last_error(sink),
        ]);
    }
    table
}

/// What went wrong last, with the node's name where it may be one of several.
fn last_error(sink: &Value) -> String {
    let (nodes, error) = (items(&sink["nodes"]), shown(&sink["last_error"]));
    let its = |key: &str, on: &Value| on[key] == sink[key];
    let at = nodes.iter().find(|on| its("last_error", on) && its("state", on));
    match at.filter(|_| nodes.len() > 1 && !sink["last_error"].is_null()) {
        Some(on) => format!("{}: {error}", shown(&on["node"])),
        None => error,
    }
}

/// A line for each node that did not say how its sinks are.
fn silent(sinks: &Value) -> Vec<String> {
    let nodes = items(sinks).iter().flat_map(|sink| items(&sink["nodes"]));
    let silent = nodes.filter(|on| on["state"].is_null()).map(|on| {
        let (node, why) = (shown(&on["node"]), shown(&on["last_error"]));
        format!("{node} does not say how its sinks are: {why}")
    });
    let mut lines: Vec<String> = silent.collect();
    lines.sort();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sinks() -> Value {
        json!([{"name": "pulsar", "kind": "pulsar", "state": "retrying", "last_error": "no broker",
            "nodes": [
                {"node": "n1", "state": "ok", "last_error": "no broker"},
                {"node": "n2", "state": "retrying", "last_error": "no broker"},
                {"node": "n3", "state": null, "last_error": "it is away"}]},
            {"name": "file", "kind": "file", "state": "ok", "last_error": null,
            "nodes": [
                {"node": "n1", "state": "ok", "last_error": null},
                {"node": "n3", "state": null, "last_error": "it is away"}]}])
    }

    #[test]
    fn the_node_in_trouble_is_named_with_the_error() {
        let sinks = sinks();
        assert_eq!(last_error(&sinks[0]), "n2: no broker");
        assert_eq!(last_error(&sinks[1]), shown(&Value::Null));
        let alone = json!({"state": "ok", "last_error": "was slow",
            "nodes": [{"node": "n1", "state": "ok", "last_error": "was slow"}]});
        assert_eq!(last_error(&alone), "was slow");
    }

    #[test]
    fn who_is_silent_is_named_once() {
        assert_eq!(silent(&sinks()), ["n3 does not say how its sinks are: it is away"]);
    }
}
