//! `bellwether sinks reset`, and what `events replay --sink` does of it.

use model::{ShardId, delivery::ResetTo};
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
    let sink = look(&args.name, client).await?;
    match reset(&args.name, &[args.to], sink.filter(|_| !args.yes).as_ref(), client, output).await?
    {
        None => Ok(Verdict::Bad),
        Some(_) => {
            note(&format!("see `bellwether sinks` for how far {} is", printable(&args.name)));
            Ok(Verdict::Good)
        }
    }
}

/// The sink of this name, as the node shows it.
///
/// # Errors
/// The node does not answer.
pub(in crate::cli) async fn look(name: &str, client: &Client) -> Result<Option<Value>, CliError> {
    let sinks = client.get(&SINKS, &[], &Query::new()).await?.body;
    Ok(items(&sinks).iter().find(|sink| text(sink, "name") == name).cloned())
}

/// Has a sink go on at these places and shows where that is. Where `asked` is given, which is the
/// sink as it is, the person is asked before, and `None` means that it is not meant. Who has it done
/// to a sink that is not there is refused, and told which are.
///
/// # Errors
/// The node refuses, or does not answer.
pub(in crate::cli) async fn reset(
    name: &str,
    places: &[ResetTo],
    asked: Option<&Value>,
    client: &Client,
    output: &Output,
) -> Result<Option<Vec<Value>>, CliError> {
    if let Some(sink) = asked {
        let all: Vec<String> = places.iter().map(|to| consequence(name, *to, sink)).collect();
        if !is_meant(&all.join("; "))? {
            note("nothing was changed");
            return Ok(None);
        }
    }
    let mut changed = Vec::new();
    for to in places {
        match client.post(&SINKS, &[name, "reset"], &vec![("to", to.to_string())]).await {
            Ok(answer) => changed.extend_from_slice(items(&answer.body)),
            Err(error) => {
                if !changed.is_empty() {
                    note(&format!("{} already; the rest is not done", done(&changed)));
                }
                return Err(error);
            }
        }
    }
    let changed = Value::Array(changed);
    let names = |shards: &Value| items(shards).iter().map(|shard| shown(&shard["shard"])).collect();
    output.show(&changed, names, |output| output.table(&table(&changed)))?;
    Ok(Some(items(&changed).to_vec()))
}

fn done(changed: &[Value]) -> String {
    let shards: Vec<String> = changed.iter().map(|one| shown(&one["shard"])).collect();
    format!("shard {} goes on elsewhere", shards.join(", "))
}

/// What will come of it, in one sentence.
fn consequence(name: &str, to: ResetTo, sink: &Value) -> String {
    let name = printable(name);
    match to {
        ResetTo::Oldest => format!("all events that are kept will be sent to {name} again"),
        ResetTo::Latest => {
            let behind = sink["lag_events"].as_u64().unwrap_or(0);
            format!("{} events will never be sent to {name}", grouped(behind))
        }
        ResetTo::Next(shard, next) => {
            let (next, acknowledged) = (next.0, acknowledged(sink, shard));
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

/// Up to which event of a shard the sink has all.
pub(in crate::cli) fn acknowledged(sink: &Value, shard: ShardId) -> u64 {
    let mut shards = items(&sink["shards"]).iter();
    let named = shards.find(|one| one["shard"].as_u64() == Some(shard.0.into()));
    named.and_then(|one| one["cursor_offset"].as_u64()).unwrap_or(0)
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
        let shard = |shard, cursor| json!({"shard": shard, "cursor_offset": cursor});
        let sink =
            json!({"name": "pulsar", "lag_events": 1_234, "shards": [shard(0, 3), shard(1, 7)]});
        consequence("pulsar", to.parse().unwrap(), &sink)
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
