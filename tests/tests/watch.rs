//! A watch resumes by its cursor, also over a kill: it misses nothing and repeats nothing.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bellwether_tests::{
    Config, Node,
    control::seeded,
    targets::{Flipper, Protocol, Targets},
    watch::{Change, Watch},
};
use model::cursor::Cursor;
use rand::RngExt;
use serde_json::{Value, json};

const TARGETS: usize = 20;
const ROUNDS: usize = 3;
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn semantics_13_a_watch_resumed_over_a_kill_misses_and_repeats_no_transition() -> Result<()> {
    let (seed, mut random) = seeded("watch");
    let targets = Targets::start(Protocol::Http, TARGETS).await?;
    let config = (0..TARGETS).fold(Config::new().timing("500ms", "400ms"), |config, n| {
        let name = n.to_string();
        config.resource(json!({"type": "ENDPOINT", "name": name, "check": targets.check(n)}))
    });
    let mut node = Node::start(&config).await?;
    let mut watch = node.client().watch(None, "").await?;
    let (rows, cursor) = watch.snapshot(SOON).await?;
    let mut view = View::new(&rows, cursor)?;

    let switches = (0..TARGETS).map(|n| targets.target(n).clone()).collect();
    let flipper = Flipper::start(switches, Duration::from_millis(30), seed);
    for _ in 0..ROUNDS {
        view.read_transitions(&mut watch, random.random_range(5..30)).await?;
        node.kill()?;
        view.read_to_the_end(&mut watch).await?;
        node.launch().await?;
        watch = node.client().watch(Some(&view.cursor), "").await?;
    }
    flipper.stop().await;
    view.catches_up(&node, &mut watch).await
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_13_a_list_and_the_watch_from_its_cursor_make_a_whole() -> Result<()> {
    let node = Node::start(&Config::new()).await?;
    let client = node.client();
    let declaration =
        |name: &str| json!({"type": "SERVICE", "name": name, "check": {"push": {"ttl": "1h"}}});
    client.put("service:a", &declaration("a"), "a").await?.success()?;
    let list = client.get("/api/v1/infrastructure/resources").await?.success()?;
    let cursor = list.header("bellwether-cursor").context("no cursor")?.to_owned();
    client.put("service:b", &declaration("b"), "b").await?.success()?;
    client.delete("service:a", "c").await?.success()?;

    let mut watch = client.watch(Some(&cursor), "").await?;
    let of = |kind: &'static str, id: &'static str| {
        move |change: &Change| change.kind == kind && change.resource_id() == Some(id)
    };
    let mut seen = Vec::new();
    let find_both = async {
        let mut found = [false, false];
        while found != [true, true] {
            let change = watch.next(SOON).await?;
            ensure!(change.kind != "snapshot", "a resumed watch has no snapshot: {change:?}");
            found[0] |= of("declared", "service:b")(&change);
            found[1] |= of("removed", "service:a")(&change);
            seen.push(change);
        }
        Ok(())
    };
    find_both.await?;
    let again = seen.iter().any(of("declared", "service:a"));
    ensure!(!again, "what the list had is told again: {seen:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_12_a_cursor_of_another_life_of_the_cluster_is_gone() -> Result<()> {
    let node = Node::start(&Config::new()).await?;
    let foreign = Cursor { cluster_incarnation: 987_654, shards: BTreeMap::new() };
    let path = format!("/api/v1/infrastructure/watch?cursor={foreign}");
    let answer = node.client().get(&path).await?;
    ensure!(answer.status.as_u16() == 410, "{}: {}", answer.status, answer.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn semantics_13_a_row_that_leaves_the_filter_is_told_as_removed() -> Result<()> {
    let node = Node::start(&Config::new()).await?;
    let client = node.client();
    let declaration = |team: &str| {
        json!({"type": "SERVICE", "name": "a", "labels": {"team": team},
            "check": {"push": {"ttl": "1h"}}})
    };
    client.put("service:a", &declaration("shop"), "1").await?.success()?;
    let mut watch = client.watch(None, "labels=team%3Dshop").await?;
    let (rows, _) = watch.snapshot(SOON).await?;
    ensure!(rows.len() == 1, "the snapshot is {rows:?}");
    client.put("service:a", &declaration("search"), "2").await?.success()?;
    let left =
        |change: &Change| change.kind == "removed" && change.resource_id() == Some("service:a");
    watch.find(SOON, left).await?;
    Ok(())
}

/// What an outsider knows who reads nothing but the watch.
struct View {
    cursor: String,
    /// Sequence and health by resource.
    rows: BTreeMap<String, (u64, String)>,
    /// The sequences of the snapshot: what changed while it was read may be told again.
    snapshot: BTreeMap<String, u64>,
}

impl View {
    fn new(snapshot: &[Value], cursor: String) -> Result<Self> {
        let row = |row: &Value| {
            let id = row["resource_id"].as_str()?.to_owned();
            Some((id, (row["sequence"].as_u64()?, row["health_status"].as_str()?.to_owned())))
        };
        let rows: Option<_> = snapshot.iter().map(row).collect();
        let rows: BTreeMap<String, (u64, String)> = rows.context("a row lacks a field")?;
        ensure!(rows.len() == TARGETS, "the snapshot has {} rows", rows.len());
        let snapshot = rows.iter().map(|(id, (sequence, _))| (id.clone(), *sequence)).collect();
        Ok(Self { cursor, rows, snapshot })
    }

    /// Takes one change in. Says whether it was a transition.
    fn take(&mut self, change: Change) -> Result<bool> {
        let is_transition = change.kind == "transition";
        if is_transition {
            self.transition(&change)?;
        } else if !["updated", "bookmark", "synced"].contains(&change.kind.as_str()) {
            bail!("unexpected: {change:?}");
        }
        self.cursor = change.cursor.context("a change without cursor")?;
        Ok(is_transition)
    }

    fn transition(&mut self, change: &Change) -> Result<()> {
        let id = change.resource_id().context("a transition without resource")?;
        let found = change.sequence().context("a transition without sequence")?;
        if self.snapshot.get(id).is_some_and(|seen| found <= *seen) {
            return Ok(());
        }
        let (sequence, status) = self.rows.get_mut(id).with_context(|| format!("{id} is new"))?;
        ensure!(found == *sequence + 1, "{id}: {found} after {sequence}: {change:?}");
        *sequence = found;
        change.status().context("a transition without health")?.clone_into(status);
        Ok(())
    }

    async fn read_transitions(&mut self, watch: &mut Watch, mut count: usize) -> Result<()> {
        while count > 0 {
            count -= usize::from(self.take(watch.next(SOON).await?)?);
        }
        Ok(())
    }

    /// What the node had sent before its death counts; then the stream breaks.
    async fn read_to_the_end(&mut self, watch: &mut Watch) -> Result<()> {
        while let Ok(change) = watch.next(SOON).await {
            self.take(change)?;
        }
        Ok(())
    }

    /// Reads on until the watch shows what the list shows. Measurements keep moving, so the
    /// stream never falls silent.
    async fn catches_up(&mut self, node: &Node, watch: &mut Watch) -> Result<()> {
        let (client, started) = (node.client(), Instant::now());
        loop {
            let list = client.list("").await?;
            let asked = Instant::now();
            while asked.elapsed() < Duration::from_secs(2) {
                if self.equals(&list).is_ok() {
                    return Ok(());
                }
                self.take(watch.next(SOON).await?)?;
            }
            if started.elapsed() > SOON {
                return self.equals(&list);
            }
        }
    }

    fn equals(&self, list: &[Value]) -> Result<()> {
        for row in list {
            let id = row["resource_id"].as_str().context("no id")?;
            let known = self.rows.get(id).with_context(|| format!("{id} is not known"))?;
            let shown = (row["sequence"].as_u64(), row["health_status"].as_str());
            ensure!(shown == (Some(known.0), Some(&known.1)), "{id}: {known:?}, list {row}");
        }
        Ok(())
    }
}
