//! Follows a sink until it has what its shards held when the replay began.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio::{
    signal::ctrl_c,
    time::{Instant, sleep},
};

use crate::cli::{
    client::Client,
    error::{CliError, Verdict},
    output::note,
    rows::{items, shown, text},
    sinks::look,
    text::{grouped, percent, printable},
};

const LOOK: Duration = Duration::from_secs(1);
/// A sink in trouble that has taken nothing for so long is not waited for.
const STANDSTILL: Duration = Duration::from_secs(60);

/// What the sink is to have.
#[derive(Debug, PartialEq, Eq)]
struct Goal {
    /// The last event of each shard. Those that come later are no part of the replay, so that it ends
    /// on a busy cluster, too.
    heads: BTreeMap<u64, u64>,
    /// Events to be acknowledged, all shards together.
    total: u64,
}

/// Says how far the sink is until it has all, or gives up. It goes on without this command.
pub(super) async fn follow(
    name: &str,
    changed: &[Value],
    client: &Client,
) -> Result<Verdict, CliError> {
    let on_its_own = || {
        let shown = printable(name);
        note(&format!(
            "the replay goes on without this command; `bellwether sinks` shows how far {shown} is"
        ));
    };
    let verdict = tokio::select! {
        verdict = until_level(name, changed, client) => verdict,
        _ = ctrl_c() => Ok(Verdict::Bad),
    };
    if matches!(verdict, Ok(Verdict::Bad) | Err(CliError::Unreachable(_))) {
        on_its_own();
    }
    verdict
}

async fn until_level(name: &str, changed: &[Value], client: &Client) -> Result<Verdict, CliError> {
    let (mut goal, mut told, mut trouble) = (None, None, None);
    let (mut moved, mut was_level) = (Instant::now(), false);
    loop {
        sleep(LOOK).await;
        let sink = look(name, client).await?;
        let sink = sink.ok_or_else(|| CliError::Failed("the sink is gone".to_owned()))?;
        let goal = goal.get_or_insert_with(|| Goal::of(&sink, changed));
        let left = goal.left(&sink);
        if told != Some(left) {
            (told, moved) = (Some(left), Instant::now());
            note(&goal.line(left));
        }
        let found = trouble_of(name, &sink);
        if let Some(found) = found.as_ref().filter(|_| found != trouble) {
            note(found);
        }
        trouble = found;
        // A node that follows shows for a moment how far the sink was before the reset.
        if left == 0 && was_level {
            note(&format!("{} has all of it", printable(name)));
            return Ok(Verdict::Good);
        }
        was_level = left == 0;
        if trouble.is_some() && moved.elapsed() > STANDSTILL {
            return Ok(Verdict::Bad);
        }
    }
}

/// What is wrong with the sink, and what went wrong last.
fn trouble_of(name: &str, sink: &Value) -> Option<String> {
    let state = text(sink, "state");
    let (name, error) = (printable(name), shown(&sink["last_error"]));
    match state {
        "ok" => None,
        "" => Some(format!("no node that answers runs {name}")),
        _ => Some(format!("{name} is {}: {error}", printable(state))),
    }
}

impl Goal {
    /// All that the shards hold; `changed` says after which events the sink begins.
    fn of(sink: &Value, changed: &[Value]) -> Self {
        let number = |value: &Value, key: &str| value[key].as_u64().unwrap_or(0);
        let begins: BTreeMap<u64, u64> = changed
            .iter()
            .map(|one| (number(one, "shard"), number(one, "cursor_offset")))
            .collect();
        let (mut heads, mut total) = (BTreeMap::new(), 0);
        for one in items(&sink["shards"]) {
            let (shard, head) = (number(one, "shard"), number(one, "head_offset"));
            let begin = begins.get(&shard).copied().unwrap_or(number(one, "cursor_offset"));
            heads.insert(shard, head);
            total += head.saturating_sub(begin);
        }
        Self { heads, total }
    }

    /// Events that the sink has yet to acknowledge.
    fn left(&self, sink: &Value) -> u64 {
        let of = |one: &Value| {
            let head = self.heads.get(&one["shard"].as_u64()?)?;
            Some(head.saturating_sub(one["cursor_offset"].as_u64()?))
        };
        items(&sink["shards"]).iter().filter_map(of).sum()
    }

    fn line(&self, left: u64) -> String {
        let done = self.total.saturating_sub(left);
        let (part, all) = (grouped(done), grouped(self.total));
        format!("{part} of {all} events are acknowledged ({})", percent(done, self.total))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sink(shards: &[(u64, u64, u64)]) -> Value {
        let shards = shards.iter().map(|(shard, cursor, head)| {
            json!({"shard": shard, "cursor_offset": cursor, "head_offset": head})
        });
        json!({"name": "pulsar", "state": "retrying", "last_error": "no broker",
            "shards": shards.collect::<Vec<_>>()})
    }

    #[test]
    fn what_is_decided_meanwhile_is_no_part_of_the_replay() {
        let changed = [json!({"shard": 0, "cursor_offset": 10})];
        let goal = Goal::of(&sink(&[(0, 12, 30), (1, 5, 7)]), &changed);
        assert_eq!((goal.total, goal.left(&sink(&[(0, 12, 30), (1, 5, 7)]))), (22, 20));
        assert_eq!(goal.line(20), "2 of 22 events are acknowledged (9.0909 %)");
        assert_eq!(goal.left(&sink(&[(0, 30, 99), (1, 8, 99)])), 0);
        assert_eq!(goal.left(&sink(&[(0, 29, 99), (1, 8, 99), (2, 0, 9)])), 1);
    }

    #[test]
    fn a_sink_in_trouble_is_named_with_its_last_error() {
        let mut sink = sink(&[]);
        assert_eq!(trouble_of("pulsar", &sink).unwrap(), "pulsar is retrying: no broker");
        sink["state"] = json!("ok");
        assert_eq!(trouble_of("pulsar", &sink), None);
        sink["state"] = Value::Null;
        assert_eq!(trouble_of("pulsar", &sink).unwrap(), "no node that answers runs pulsar");
    }
}
