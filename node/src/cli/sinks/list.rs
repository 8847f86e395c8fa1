//! `bellwether sinks` without a command.

use serde_json::Value;

use super::SINKS;
use crate::cli::{
    client::{Client, Query},
    error::{CliError, Verdict},
    output::Output,
    rows::{items, shown, text},
    table::TableView,
    text::grouped,
};

/// Shows where events go and how far they got. Exits 1 where a sink is broken.
pub(super) async fn run(client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let sinks = client.get(&SINKS, &[], &Query::new()).await?.body;
    let names = |sinks: &Value| items(sinks).iter().map(|sink| shown(&sink["name"])).collect();
    output.show(&sinks, names, |output| output.table(&table(&sinks)))?;
    let broken = items(&sinks).iter().any(|sink| text(sink, "state") == "broken");
    Ok(if broken { Verdict::Bad } else { Verdict::Good })
}

fn table(sinks: &Value) -> TableView {
    let mut table = TableView::new(&["NAME", "KIND", "STATE", "BEHIND", "SHARDS", "LAST ERROR"]);
    for sink in items(sinks) {
        let shards = sink["shards"].as_array().map_or(&[][..], Vec::as_slice);
        let level = shards.iter().filter(|shard| shard["cursor_offset"] == shard["head_offset"]);
        table.row([
            text(sink, "name"),
            &shown(&sink["kind"]),
            &shown(&sink["state"]),
            &grouped(sink["lag_events"].as_u64().unwrap_or(0)),
            &format!("{}/{} level", level.count(), shards.len()),
            &shown(&sink["last_error"]),
        ]);
    }
    table
}
