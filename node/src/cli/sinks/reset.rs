//! `bellwether sinks reset`.

use model::delivery::ResetTo;
use serde_json::Value;

use super::{ResetArgs, SINKS};
use crate::cli::{
    ask::is_meant,
    client::{Client, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, shown, text},
    table::TableView,
    text::{grouped, printable},
};

pub(super) async fn run(
    args: &ResetArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let sinks = client.get(&SINKS, &[], &Query::new()).await?.body;
    let sink = items(&sinks).iter().find(|sink| text(sink, "name") == args.name);
    // Who is asked for a sink that is not there refuses, and names those that are.
    if let Some(sink) = sink.filter(|_| !args.yes)
        && !is_meant(&consequence(args, sink))?
    {
        note("nothing was changed");
        return Ok(Verdict::Bad);
    }
    let query = vec![("to", args.to.to_string())];
    let changed = client.post(&SINKS, &[&args.name, "reset"], &query).await?.body;
    let names = |shards: &Value| items(shards).iter().map(|shard| shown(&shard["shard"])).collect();
    output.show(&changed, names, |output| output.table(&table(&changed)))?;
    note(&format!("see `bellwether sinks` for how far {} is", printable(&args.name)));
    Ok(Verdict::Good)
}

/// What will come of it, in one sentence.
fn consequence(args: &ResetArgs, sink: &Value) -> String {
    let name = printable(&args.name);
    match args.to {
        ResetTo::Oldest => format!("all events that are kept will be sent to {name} again"),
        ResetTo::Latest => {
            let behind = sink["lag_events"].as_u64().unwrap_or(0);
            format!("{} events will never be sent to {name}", grouped(behind))
        }
        ResetTo::Next(shard, next) => {
            let at = |sink: &Value| sink["cursor_offset"].as_u64();
            let shards = items(&sink["shards"]);
            let mut named =
                shards.iter().filter(|one| one["shard"].as_u64() == Some(shard.0.into()));
            let (next, acknowledged) = (next.0, named.next().and_then(at).unwrap_or(0));
            match next.checked_sub(acknowledged + 1) {
                Some(0) => format!("shard {shard} already goes on with event {next} for {name}"),
                Some(passed) => format!(
                    "{} events of shard {shard} will never be sent to {name}",
                    grouped(passed)
                ),
                None => format!(
                    "{} events of shard {shard} will be sent to {name} again",
                    grouped(acknowledged + 1 - next)
                ),
            }
        }
    }
}

fn table(shards: &Value) -> TableView {
    let mut table = TableView::new(&["SHARD", "GOES ON WITH"]);
    for shard in items(shards) {
        let next = shard["cursor_offset"].as_u64().unwrap_or(0).saturating_add(1);
        table.row([shown(&shard["shard"]).as_str(), &grouped(next)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(to: &str) -> String {
        let args = ResetArgs { name: "pulsar".to_owned(), to: to.parse().unwrap(), yes: false };
        let shard = |shard, cursor| json!({"shard": shard, "cursor_offset": cursor});
        let sink =
            json!({"name": "pulsar", "lag_events": 1_234, "shards": [shard(0, 3), shard(1, 7)]});
        consequence(&args, &sink)
    }

    #[test]
    fn it_is_said_what_will_come_of_it() {
        assert_eq!(said("oldest"), "all events that are kept will be sent to pulsar again");
        assert_eq!(said("latest"), "1,234 events will never be sent to pulsar");
        assert_eq!(said("1:8"), "shard 1 already goes on with event 8 for pulsar");
        assert_eq!(said("1:10"), "2 events of shard 1 will never be sent to pulsar");
        assert_eq!(said("1:7"), "1 events of shard 1 will be sent to pulsar again");
        assert_eq!(said("1:1"), "7 events of shard 1 will be sent to pulsar again");
    }
}
