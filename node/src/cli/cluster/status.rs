//! `bellwether cluster status`.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::ask;
use crate::cli::{
    client::Client,
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, shown, text},
    table::TableView,
    text::{grouped, now},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Shows it once.
pub(super) async fn show(client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let cluster = ask(client).await?;
    print(&cluster, output)?;
    Ok(if is_well(&cluster) { Verdict::Good } else { Verdict::Bad })
}

/// Shows it whenever what people look at has changed.
pub(super) async fn watch(client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let mut shown = String::new();
    loop {
        match ask(client).await {
            Ok(cluster) => {
                let seen = human(&cluster, output);
                if seen != shown {
                    note(&format!("\n{}", now()));
                    output.show_one(&cluster, text(&cluster, "name"), |_| seen.clone())?;
                    shown = seen;
                }
            }
            Err(error @ (CliError::Closed(_) | CliError::Failed(_))) => return Err(error),
            Err(error) => {
                let seen = error.to_string();
                if seen != shown {
                    note(&format!("\n{}  {seen}", now()));
                    shown = seen;
                }
            }
        }
        sleep(LOOK).await;
    }
}

fn print(cluster: &Value, output: &Output) -> Result<(), CliError> {
    let names =
        |cluster: &Value| items(&cluster["nodes"]).iter().map(|n| shown(&n["name"])).collect();
    output.show(cluster, names, |output| human(cluster, output))
}

/// Whether every node answers and every shard has a leader.
fn is_well(cluster: &Value) -> bool {
    let answers = items(&cluster["nodes"]).iter().all(|node| node["error"].is_null());
    let led = items(&cluster["shards"]).iter().all(|shard| !shard["leader"].is_null());
    answers && led && !cluster["meta"]["leader"].is_null()
}

fn human(cluster: &Value, output: &Output) -> String {
    let mut told = format!("Cluster {} ({})\n\n", text(cluster, "name"), text(cluster, "id"));
    told.push_str(&output.table(&nodes(cluster)));
    told.push('\n');
    told.push_str(&output.table(&shards(cluster)));
    let moves = moves(cluster);
    if !moves.is_empty() {
        told.push_str("\nMoving:\n");
        for (groups, what) in moves {
            told.push_str(&format!("  {}: {what}\n", groups.join(",")));
        }
    }
    told
}

/// What is being done to replicas, and to those of which groups: of many, it is often the same.
fn moves(cluster: &Value) -> Vec<(Vec<String>, String)> {
    let meta = format!("group {}", items(&cluster["shards"]).len());
    let mut told: Vec<(Vec<String>, String)> = Vec::new();
    for line in items(&cluster["moves"]).iter().map(shown) {
        let (group, what) = line.split_once(": ").unwrap_or((&line, ""));
        let group = if group == meta { "meta" } else { group };
        match told.iter_mut().find(|(_, known)| known == what) {
            Some((groups, _)) => groups.push(group.trim_start_matches("group ").to_owned()),
            None => told.push((vec![group.to_owned()], what.to_owned())),
        }
    }
    told
}

fn nodes(cluster: &Value) -> TableView {
    let headings = &[
        "NODE",
        "NAME",
        "STATE",
        "REGION",
        "ZONE",
        "VERSION",
        "LEADS",
        "VOTES",
        "LAG",
        "DISK FREE",
        "PEERS AT",
        "ERROR",
    ];
    let mut table = TableView::new(headings);
    for node in items(&cluster["nodes"]) {
        let state = match (text(node, "standing"), node["error"].is_null()) {
            ("active", true) => "up",
            ("active", false) => "away",
            (standing, _) => standing,
        };
        table.row([
            &node["node_id"].to_string(),
            text(node, "name"),
            state,
            or_dash(text(node, "region")),
            or_dash(text(node, "zone")),
            text(node, "version"),
            &node["leads"].to_string(),
            &node["replicas"].to_string(),
            &node["lag"].as_u64().map_or_else(|| "-".to_owned(), grouped),
            &disk(node),
            or_dash(text(node, "address")),
            text(node, "error"),
        ]);
    }
    table
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn disk(node: &Value) -> String {
    let full = if node["disk_full"] == Value::Bool(true) { " (full)" } else { "" };
    let gib =
        |bytes: u64| format!("{}.{} GiB{full}", bytes >> 30, ((bytes >> 20) % 1024) * 10 / 1024);
    node["disk_free"].as_u64().map_or_else(|| "-".to_owned(), gib)
}

/// `meta` and the shards; those alike in everything but their number share a line.
fn shards(cluster: &Value) -> TableView {
    let mut table =
        TableView::new(&["SHARDS", "LEADER", "VOTERS", "LEARNERS", "TERM", "RESOURCES"]);
    let mut rows: Vec<(Vec<String>, [String; 4], u64)> = Vec::new();
    let groups = std::iter::once(("meta".to_owned(), &cluster["meta"]));
    let shards = items(&cluster["shards"]).iter();
    for (name, group) in groups.chain(shards.map(|shard| (shard["shard"].to_string(), shard))) {
        let voters = list(cluster, &group["voters"]);
        let changing = if group["changing"] == Value::Bool(true) { " (changing)" } else { "" };
        let leader = match group["leader"].as_u64() {
            Some(leader) => name_of(cluster, leader),
            None => "nobody".to_owned(),
        };
        let learners = list(cluster, &group["learners"]);
        let told = [leader, voters + changing, learners, group["term"].to_string()];
        let resources = group["resources"].as_u64().unwrap_or(0);
        match rows.iter_mut().find(|(names, known, _)| *known == told && names[0] != "meta") {
            Some((names, _, count)) => {
                names.push(name);
                *count += resources;
            }
            None => rows.push((vec![name], told, resources)),
        }
    }
    for (names, [leader, voters, learners, term], resources) in rows {
        let resources = if names[0] == "meta" { "-".to_owned() } else { grouped(resources) };
        table.row([&names.join(","), &leader, &voters, &learners, &term, &resources]);
    }
    table
}

fn list(cluster: &Value, nodes: &Value) -> String {
    let names: Vec<String> = nodes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .map(|id| name_of(cluster, id))
        .collect();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

fn name_of(cluster: &Value, id: u64) -> String {
    let nodes = items(&cluster["nodes"]).iter();
    let mut known = nodes.filter(|node| node["node_id"].as_u64() == Some(id));
    known.next().map_or_else(|| format!("node {id}"), |node| text(node, "name").to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster() -> Value {
        let node = |id, name, error: Option<&str>| {
            json!({"node_id": id, "name": name, "standing": "active", "error": error,
                "region": "", "zone": "a", "version": "0.1.0", "leads": 2, "replicas": 3,
                "lag": 1_234, "disk_free": 5_u64 << 29, "disk_full": false,
                "address": "127.0.0.1:7422"})
        };
        let shard = |shard, leader: Option<u64>| {
            json!({"shard": shard, "leader": leader, "voters": [1, 2], "learners": [],
                "term": 4, "changing": false, "resources": 10})
        };
        json!({"id": "u", "name": "home", "meta": shard(0, Some(1)),
            "nodes": [node(1, "n1", None), node(2, "n2", Some("it cannot be reached"))],
            "shards": [shard(0, Some(1)), shard(1, None), shard(2, Some(1))],
            "moves": ["group 1: add a learner", "group 0: blocked: full", "group 2: blocked: full",
                "group 3: blocked: full"]})
    }

    #[test]
    fn nodes_and_shards_are_shown_and_what_is_being_moved() {
        let output = Output { format: crate::cli::args::Format::Table, colour: false, width: None };
        let told = human(&cluster(), &output);
        let has = |line: &str| assert!(told.contains(line), "{line}\n{told}");
        has("1     n1    up     -       a     0.1.0    2      3      1,234  2.5 GiB");
        has("2     n2    away");
        has("meta    n1      n1 n2   -         4     -\n");
        has("0,2     n1      n1 n2   -         4     20\n");
        has("1       nobody  n1 n2   -         4     10\n");
        has("Moving:\n  group 1: add a learner\n  group 0,2,meta: blocked: full\n");
    }

    #[test]
    fn a_cluster_is_well_where_all_answer_and_lead() {
        let mut cluster = cluster();
        assert!(!is_well(&cluster));
        cluster["nodes"][1]["error"] = Value::Null;
        assert!(!is_well(&cluster), "shard 1 has no leader");
        cluster["shards"][1]["leader"] = json!(2);
        assert!(is_well(&cluster));
    }
}
