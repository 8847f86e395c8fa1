//! `bellwether events tail --pulsar`.

use std::{collections::HashMap, ops::ControlFlow, sync::Mutex, time::Duration};

use actors::sink::{ReadPlace, TopicReader};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    args::TailArgs,
    error::{CliError, Verdict},
    events::line_with_id,
    output::{Output, note},
    rows::{EventView, text},
};

/// How long to wait before a partition that has ended is read again.
const PAUSE: Duration = Duration::from_secs(2);

/// What was told of each shard, whose offsets rise.
#[derive(Default)]
struct Told(HashMap<String, u64>);

impl Told {
    /// Whether an event is beyond those that were told.
    fn is_new(&mut self, event: &Value) -> bool {
        let place = format!(
            "{}/{}/{}",
            text(event, "clusterid"),
            text(event, "clusterincarnation"),
            event["shard"]
        );
        let Ok(offset) = text(event, "offset").parse::<u64>() else { return false };
        let last = self.0.entry(place).or_default();
        let is_new = offset > *last;
        *last = offset.max(*last);
        is_new
    }
}

/// Prints events as they come to a topic, each once, until interrupted.
pub(super) async fn tail(
    args: &TailArgs,
    reader: &TopicReader,
    output: &Output,
) -> Result<Verdict, CliError> {
    let partitions = reader.partitions().await.map_err(|e| CliError::Failed(e.to_string()))?;
    let told = Mutex::new(Told::default());
    try_join_all(partitions.iter().map(|name| follow(args, reader, name, &told, output))).await?;
    Ok(Verdict::Good)
}

/// One partition, through disconnects.
async fn follow(
    args: &TailArgs,
    reader: &TopicReader,
    partition: &str,
    told: &Mutex<Told>,
    output: &Output,
) -> Result<(), CliError> {
    let mut place = if args.oldest { ReadPlace::OLDEST } else { ReadPlace::LATEST };
    loop {
        let mut failed = None;
        let mut take = |event: Option<Value>| {
            let Some(event) = event else { return ControlFlow::Continue(()) };
            let is_new = told.lock().is_ok_and(|mut told| told.is_new(&event));
            if !is_new || !is_wanted(args, &event) {
                return ControlFlow::Continue(());
            }
            match show(&event, output) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let ended = reader.follow(partition, &mut place, &mut take).await;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Err(error) = ended {
            note(&format!("{error}; trying again"));
        }
        sleep(PAUSE).await;
    }
}

fn is_wanted(args: &TailArgs, event: &Value) -> bool {
    args.resource.as_ref().is_none_or(|id| text(event, "subject") == id.as_str())
}

fn show(event: &Value, output: &Output) -> Result<(), CliError> {
    let subject = text(event, "subject");
    output.show_one(event, subject, |output| {
        if text(event, "type").ends_with(".gap.v1") {
            let (from, to) = (&event["data"]["from"], &event["data"]["to"]);
            return format!("events {from} to {to} of shard {} are lost\n", event["shard"]);
        }
        line_with_id(output, kind(event), &EventView::of(event), subject)
    })
}

/// As a watch calls it.
fn kind(event: &Value) -> &'static str {
    match text(event, "type") {
        kind if kind.ends_with("resource.declared.v1") => "declared",
        kind if kind.ends_with("resource.removed.v1") => "removed",
        _ => "transition",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut told = Told::default();
        let event = |cluster: &str, shard: u32, offset: u64| {
            json!({"clusterid": cluster, "clusterincarnation": "1", "shard": shard,
                "offset": offset.to_string()})
        };
        let order = [("a", 0, 1), ("a", 0, 2), ("a", 0, 1), ("a", 1, 1), ("b", 0, 1), ("a", 0, 3)];
        let new = order.map(|(cluster, shard, offset)| told.is_new(&event(cluster, shard, offset)));
        assert_eq!(new, [true, true, false, true, true, true]);
        assert!(!told.is_new(&json!({})));
    }
}
