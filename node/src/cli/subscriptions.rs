//! `bellwether subscriptions`: who consumes the events of a sink, and how far they are.

use clap::{Args, Subcommand};
use model::delivery::SubscribeFrom;
use serde_json::Value;

use super::{
    ask::is_meant,
    client::{Client, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, shown, text},
    table::TableView,
    text::{grouped, printable},
};

/// Where the sinks are asked for.
const SINKS: [&str; 3] = ["api", "v1", "sinks"];

/// `bellwether subscriptions`.
#[derive(Debug, Args)]
pub(crate) struct SubscriptionsArgs {
    /// The sink; the only one that is a topic of Pulsar where absent
    #[arg(long, global = true, value_name = "NAME")]
    sink: Option<String>,
    #[command(subcommand)]
    command: SubscriptionsCommand,
}

/// What is done with them.
#[derive(Debug, Subcommand)]
enum SubscriptionsCommand {
    /// List them, with what each has yet to acknowledge
    #[command(after_help = "Examples:\n  \
        bellwether subscriptions list\n  \
        bellwether subscriptions list -o json | jq '.[] | select(.backlog > 1000) | .name'")]
    List,
    /// Keep events for one, before its first consumer comes
    #[command(after_help = "Examples:\n  \
        bellwether subscriptions create pager\n  \
        bellwether subscriptions create report --from oldest")]
    Create {
        /// Its name
        #[arg(value_name = "SUBSCRIPTION")]
        name: String,
        /// Where it begins
        #[arg(long, value_name = "oldest|latest|TIME", default_value = "latest")]
        from: SubscribeFrom,
    },
    /// Have one go on elsewhere: it gets events again, or passes over some
    #[command(after_help = "Examples:\n  \
        bellwether subscriptions reset report --to oldest\n  \
        bellwether subscriptions reset pager --to 2027-01-31T22:00:00Z")]
    Reset {
        /// Its name
        #[arg(value_name = "SUBSCRIPTION")]
        name: String,
        /// Where it goes on
        #[arg(long, value_name = "oldest|latest|TIME")]
        to: SubscribeFrom,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Keep nothing for one any more; its consumers must have stopped
    #[command(after_help = "Example:\n  bellwether subscriptions delete report")]
    Delete {
        /// Its name
        #[arg(value_name = "SUBSCRIPTION")]
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Does it.
pub(super) async fn run(
    args: &SubscriptionsArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let sink = match &args.sink {
        Some(sink) => sink.clone(),
        None => only_topic(&client.get(&SINKS, &[], &Query::new()).await?.body)?,
    };
    match &args.command {
        SubscriptionsCommand::List => list(&sink, client, output).await,
        SubscriptionsCommand::Create { name, from } => {
            let query = vec![("from", from.to_string())];
            client.put(&SINKS, &[&sink, "subscriptions", name], &query).await?;
            done(&format!("events are kept for {}", printable(name)))
        }
        SubscriptionsCommand::Reset { name, to, yes } => {
            let what = format!("{} goes on with {}", printable(name), words(*to));
            if !yes && !is_meant(&what)? {
                return unchanged();
            }
            let query = vec![("to", to.to_string())];
            client.post(&SINKS, &[&sink, "subscriptions", name, "reset"], &query).await?;
            done(&what)
        }
        SubscriptionsCommand::Delete { name, yes } => {
            let what = format!("nothing will be kept for {} any more", printable(name));
            if !yes && !is_meant(&what)? {
                return unchanged();
            }
            client.delete(&SINKS, &[&sink, "subscriptions", name]).await?;
            done(&format!("{} is deleted", printable(name)))
        }
    }
}

/// The only sink that can have subscriptions.
fn only_topic(sinks: &Value) -> Result<String, CliError> {
    let topics = items(sinks).iter().filter(|sink| sink["kind"] == "pulsar");
    let names: Vec<&str> = topics.map(|sink| text(sink, "name")).collect();
    match &names[..] {
        [only] => Ok((*only).to_owned()),
        [] => Err(CliError::Failed(
            "no node publishes into a topic of Pulsar; see `bellwether sinks`".to_owned(),
        )),
        several => Err(CliError::Failed(format!("say which --sink: {}", several.join(", ")))),
    }
}

async fn list(sink: &str, client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let found = client.get(&SINKS, &[sink, "subscriptions"], &Query::new()).await?.body;
    let names = |found: &Value| items(found).iter().map(|one| shown(&one["name"])).collect();
    output.show(&found, names, |output| output.table(&table(&found)))?;
    Ok(Verdict::Good)
}

fn table(found: &Value) -> TableView {
    let headings = ["NAME", "KIND", "CONSUMERS", "BACKLOG", "LAST ACKNOWLEDGED"];
    let mut table = TableView::new(&headings);
    for one in items(found) {
        table.row([
            text(one, "name"),
            &shown(&one["kind"]),
            &shown(&one["consumers"]),
            &grouped(one["backlog"].as_u64().unwrap_or(0)),
            &shown(&one["last_acknowledged"]),
        ]);
    }
    table
}

fn words(from: SubscribeFrom) -> String {
    match from {
        SubscribeFrom::Oldest => "the oldest event that is kept".to_owned(),
        SubscribeFrom::Latest => {
            "the next event that comes; those before are passed over".to_owned()
        }
        SubscribeFrom::Time(time) => format!("the events since {time}"),
    }
}

fn done(what: &str) -> Result<Verdict, CliError> {
    note(what);
    Ok(Verdict::Good)
}

fn unchanged() -> Result<Verdict, CliError> {
    note("nothing was changed");
    Ok(Verdict::Bad)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_only_topic_needs_no_name() {
        let sink = |name: &str, kind: &str| json!({"name": name, "kind": kind});
        let of = |sinks: Vec<Value>| only_topic(&Value::Array(sinks));
        assert_eq!(of(vec![sink("file", "file"), sink("p", "pulsar")]).unwrap(), "p");
        let none = of(vec![sink("file", "file")]).unwrap_err().to_string();
        assert!(none.contains("no node publishes into a topic"), "{none}");
        let several = of(vec![sink("p", "pulsar"), sink("q", "pulsar")]).unwrap_err().to_string();
        assert_eq!(several, "say which --sink: p, q");
    }
}
