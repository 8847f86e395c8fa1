//! What a node had acknowledged, and how another one's answers compare with it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use harness::{Client, oracle::Ledger};
use serde_json::Value;

use crate::{
    history::Moment,
    workload::{Notes, version},
};

/// What of a row stands still while its target does.
const STILL: [&str; 16] = [
    "resource_type",
    "name",
    "namespace",
    "cluster_id",
    "labels",
    "region",
    "health_status",
    "reason",
    "sequence",
    "incarnation",
    "generation",
    "shard",
    "managed_by",
    "check",
    "interval",
    "depends_on",
];

/// What of it changes with an event: a slow answer may be one.
const CHANGING: [&str; 3] = ["health_status", "reason", "sequence"];

/// See the module.
#[derive(Debug, Default)]
pub(in crate::scenarios) struct Known {
    /// Of each target: the row, the events, the ledger.
    targets: BTreeMap<String, Target>,
    writes: BTreeMap<String, Versions>,
    /// Resources that several clients write.
    shared: BTreeSet<String>,
}

#[derive(Debug)]
struct Target {
    row: Value,
    events: Vec<Value>,
    ledger: Ledger,
}

/// Versions of a written resource.
#[derive(Debug, Clone, Copy, Default)]
struct Versions {
    /// The last that was acknowledged well before the end.
    sure: Option<u64>,
    /// The last that was acknowledged.
    acknowledged: Option<u64>,
    /// The last that was asked for.
    asked: u64,
}

/// What another node said.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What is not as it was.
    pub(super) differences: Vec<String>,
    /// Answers that say that something is damaged.
    pub(super) refusals: Vec<String>,
}

impl Known {
    /// Reads everything of the targets, which must be at rest.
    pub(super) async fn read(client: &Client, ids: impl Iterator<Item = String>) -> Result<Self> {
        let mut targets = BTreeMap::new();
        for id in ids {
            let row = still(&client.resource(&id).await?);
            let events = client.events(&id, 0).await?;
            let ledger = ledger(client, &id).await?;
            targets.insert(id, Target { row, events, ledger });
        }
        Ok(Self { targets, ..Self::default() })
    }

    /// Takes in what clients wrote before the end; `sure` was well before it.
    pub(super) fn note(&mut self, noted: &Notes, sure: Moment) {
        self.shared.extend(noted.operations.iter().map(|operation| operation.key.clone()));
        for write in &noted.writes {
            let version = Some(write.version);
            let known = self.writes.entry(write.id.clone()).or_default();
            known.asked = known.asked.max(write.version);
            known.acknowledged = known.acknowledged.max(write.acknowledged.and(version));
            known.sure = known.sure.max(write.acknowledged.filter(|at| *at <= sure).and(version));
        }
    }

    /// Reads everything of another node and compares.
    pub(super) async fn compare(&self, client: &Client, lately: bool) -> Shown {
        let mut shown = Shown::default();
        if let Some(rows) = shown.take(client.list("limit=5000").await) {
            let rows: BTreeMap<&str, &Value> =
                rows.iter().filter_map(|row| Some((row["resource_id"].as_str()?, row))).collect();
            shown.differences.extend(self.rows(&rows, lately));
        }
        for (id, target) in &self.targets {
            if let Some(events) = shown.take(client.events(id, 0).await) {
                let kept = events.starts_with(&target.events);
                shown.must(kept, || format!("{id} has other events"));
            }
            if let Some(now) = shown.take(ledger(client, id).await) {
                let before = &target.ledger;
                let adds_up = now.expected == now.ok + now.failed + now.missed_total();
                let grows = now.ok >= before.ok && now.failed >= before.failed;
                shown.must(adds_up && grows, || format!("{id}: was {before:?}, is {now:?}"));
            }
        }
        for (id, _) in self.writes.iter().filter(|(_, versions)| versions.sure.is_some()) {
            shown.take(client.events(id, 0).await);
        }
        shown
    }

    fn rows(&self, rows: &BTreeMap<&str, &Value>, lately: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, target) in &self.targets {
            let now = rows.get(id.as_str()).map(|row| still(row)).unwrap_or_default();
            if !follows(&target.row, &now) {
                wrong.push(format!("{id} was {}, is {now}", target.row));
            }
        }
        for (id, versions) in &self.writes {
            let now = rows.get(id.as_str()).and_then(|row| version(row));
            let least = if lately { versions.sure } else { versions.acknowledged };
            if now < least || now > Some(versions.asked) {
                wrong.push(format!("{id} is at version {now:?}, wanted is {versions:?}"));
            }
        }
        let known = |id: &str| {
            let watched = self.targets.contains_key(id);
            watched || self.writes.contains_key(id) || self.shared.contains(id)
        };
        let unknown = rows.keys().filter(|id| !known(id));
        wrong.extend(unknown.map(|id| format!("nobody declared {id}")));
        wrong
    }
}

impl Shown {
    fn take<T>(&mut self, answer: Result<T>) -> Option<T> {
        answer.map_err(|refusal| self.refusals.push(format!("{refusal:#}"))).ok()
    }

    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.differences.push(otherwise());
        }
    }
}

fn still(row: &Value) -> Value {
    STILL.iter().map(|&name| (name.to_owned(), row[name].clone())).collect()
}

/// Whether a row is the same, or says of a later event what that changes.
fn follows(before: &Value, now: &Value) -> bool {
    let mut now = now.clone();
    if now["sequence"].as_u64() > before["sequence"].as_u64() {
        for name in CHANGING {
            now[name] = before[name].clone();
        }
    }
    now == *before
}

async fn ledger(client: &Client, id: &str) -> Result<Ledger> {
    let path = format!("/api/v1/coverage?since=720h&resource_id={id}");
    Ledger::parse(&client.get(&path).await?.success()?.json()).context("no ledger")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::WriteNote;

    fn known() -> Known {
        let row = still(&json!({"health_status": "HEALTHY", "sequence": 2}));
        let target = Target { row, events: Vec::new(), ledger: Ledger::default() };
        let mut known = Known { targets: [("a".to_owned(), target)].into(), ..Known::default() };
        let write = |version, acknowledged| WriteNote {
            id: "p".into(),
            version,
            asked: version,
            acknowledged,
        };
        let writes = vec![write(1, Some(10)), write(2, Some(90)), write(3, None)];
        known.note(&Notes { writes, ..Notes::default() }, 50);
        known
    }

    fn wrong(health: &str, version: &str, lately: bool) -> usize {
        let a = json!({"health_status": health, "sequence": 2});
        let p = json!({"labels": {"version": version}});
        known().rows(&[("a", &a), ("p", &p)].into(), lately).len()
    }

    #[test]
    fn what_differs_is_found_and_what_is_newer_than_the_last_second_may_be_gone() {
        for (health, version, lately, count) in [
            ("HEALTHY", "2", false, 0),
            ("HEALTHY", "3", false, 0),
            ("HEALTHY", "4", false, 1),
            ("HEALTHY", "1", false, 1),
            ("HEALTHY", "1", true, 0),
            ("CRITICAL", "2", false, 1),
        ] {
            assert_eq!(wrong(health, version, lately), count, "{health} {version} {lately}");
        }
    }

    #[test]
    fn only_a_later_event_changes_a_row() {
        let row = |health: &str, sequence: u64, name: &str| {
            let reason = if health == "CRITICAL" { "refused" } else { "" };
            json!({"health_status": health, "reason": reason, "sequence": sequence, "name": name})
        };
        let (before, later) = (row("HEALTHY", 2, "a"), row("CRITICAL", 3, "a"));
        let other = row("HEALTHY", 3, "b");
        assert!(follows(&before, &before) && follows(&before, &later));
        assert!(!follows(&later, &before) && !follows(&before, &other));
    }

    #[test]
    fn a_row_that_is_gone_or_that_nobody_declared_is_found() {
        let x = json!({});
        assert_eq!(known().rows(&[("x", &x)].into(), true).len(), 3);
    }
}
