//! `bellwether cluster drain`: asks for it, and follows it to its end.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{NODES, ask};
use crate::cli::{
    client::{Client, Query},
    error::{CliError, Verdict},
    output::note,
    rows::{items, shown, text},
};

const LOOK: Duration = Duration::from_millis(500);
/// Nothing more is to be expected where nothing has moved for so long.
const STANDSTILL: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    leads: u64,
    votes: u64,
    /// What cannot be done now, each reason once.
    blocked: BTreeSet<String>,
}

pub(super) async fn run(node: &str, client: &Client) -> Result<Verdict, CliError> {
    client.post(&NODES, &[node, "drain"], &Query::new()).await?;
    let mut told = None;
    let mut since = Instant::now();
    loop {
        let progress = progress(&ask(client).await?, node);
        if told.as_ref() != Some(&progress) {
            let (leads, votes) = (progress.leads, progress.votes);
            note(&format!("{node} leads {leads} groups and votes in {votes}"));
            since = Instant::now();
        }
        match progress {
            Progress { leads: 0, votes: 0, .. } => {
                note(&format!("{node} is drained: stop it, or `bellwether cluster remove {node}`"));
                return Ok(Verdict::Good);
            }
            // What cannot be done now often can be a moment later.
            Progress { leads: 0, ref blocked, .. }
                if !blocked.is_empty() && since.elapsed() > STANDSTILL =>
            {
                note(&format!("{node} leads nothing; its replicas stay: {}", words(blocked)));
                return Ok(Verdict::Bad);
            }
            _ => told = Some(progress),
        }
        sleep(LOOK).await;
    }
}

fn progress(cluster: &Value, node: &str) -> Progress {
    let nodes = items(&cluster["nodes"]).iter();
    let mut named = nodes.filter(|known| {
        text(known, "name").eq_ignore_ascii_case(node)
            || known["node_id"].as_u64().is_some_and(|id| node.parse() == Ok(id))
    });
    let id = named.next().map_or(Value::Null, |known| known["node_id"].clone());
    let groups = || items(&cluster["shards"]).iter().chain([&cluster["meta"]]);
    let votes = groups().filter(|group| items(&group["voters"]).contains(&id)).count();
    let leads = groups().filter(|group| group["leader"] == id && !id.is_null()).count();
    let moves = items(&cluster["moves"]).iter().map(shown);
    let reason = |line: String| line.split_once("blocked: ").map(|(_, why)| why.to_owned());
    Progress {
        leads: leads as u64,
        votes: votes as u64,
        blocked: moves.filter_map(reason).collect(),
    }
}

fn words(reasons: &BTreeSet<String>) -> String {
    reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}
