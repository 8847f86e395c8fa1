//! An event file as a consumer must find it: no gap, no inversion, no repeat.
//!
//! Invariant: shares nothing with the program's own `events verify`, so that a mistake there
//! does not hide itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A life of a resource id: subject and incarnation.
type Life = (String, String);

/// One event, as far as the verdicts need it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// The CloudEvents id.
    pub id: String,
    /// The last part of the type: `declared`, `updated` or `removed`.
    pub kind: String,
    /// The resource.
    pub subject: String,
    /// Which life of it.
    pub incarnation: String,
    /// When, as RFC 3339 in UTC with milliseconds, which sorts as text.
    pub time: String,
    /// The place among the resource's events.
    pub sequence: u64,
    /// The shard.
    pub shard: u64,
    /// The place in the shard's outbox.
    pub offset: u64,
    /// The term of the entry that decided it.
    pub term: u64,
    /// The health from now on.
    pub status: String,
    /// The health before.
    pub previous: Option<String>,
    /// Why.
    pub reason: String,
}

/// All events of a file, in its order.
#[derive(Debug, Clone, Default)]
pub struct EventFile {
    /// In the order of the file.
    pub events: Vec<Told>,
}

impl EventFile {
    /// Reads a file; one that is not there yet is empty.
    ///
    /// # Errors
    /// Names the line that is torn or not as the contract says.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        Self::parse(&text)
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// As [`EventFile::read`].
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
        let events = text.lines().enumerate().map(|(n, line)| {
            let value = serde_json::from_str(line).with_context(|| format!("line {}", n + 1))?;
            Told::parse(&value).with_context(|| format!("line {}: {line}", n + 1))
        });
        Ok(Self { events: events.collect::<Result<_>>()? })
    }

    /// The files of several nodes as one history, each event once, and how many were in more
    /// than one of them.
    ///
    /// # Errors
    /// Names a place that two files tell differently.
    pub fn merge(files: &[Self]) -> Result<(Self, usize)> {
        let mut places: BTreeMap<(u64, u64), &Told> = BTreeMap::new();
        let mut repeats = 0;
        for event in files.iter().flat_map(|file| &file.events) {
            if let Some(known) = places.insert((event.shard, event.offset), event) {
                ensure!(known.id == event.id, "one place, two events: {known} and {event}");
                repeats += 1;
            }
        }
        let events = places.into_values().cloned().collect();
        Ok((Self { events }, repeats))
    }

    /// The events of one resource, in order.
    #[must_use]
    pub fn of(&self, id: &str) -> Vec<&Told> {
        self.events.iter().filter(|event| event.subject == id).collect()
    }

    /// The highest sequence of each life.
    #[must_use]
    pub fn last_sequences(&self) -> BTreeMap<Life, u64> {
        self.events.iter().map(|event| (event.life(), event.sequence)).collect()
    }

    /// Everything that a consumer must never see (SEMANTICS 8 to 11). Holds for the file of a
    /// single node's sink that was there from the founding.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut ids = BTreeSet::new();
        let mut offsets: BTreeMap<u64, u64> = BTreeMap::new();
        let mut lives: BTreeMap<Life, &Told> = BTreeMap::new();
        for event in &self.events {
            if !ids.insert(event.id.as_str()) {
                wrong.push(format!("repeat: {event}"));
            }
            let next = offsets.get(&event.shard).map_or(1, |last| last + 1);
            if event.offset != next {
                wrong.push(format!("shard {} wants offset {next}: {event}", event.shard));
            }
            offsets.insert(event.shard, event.offset);
            wrong.extend(event.follows(lives.insert(event.life(), event)));
        }
        wrong
    }
}

impl Told {
    fn parse(value: &Value) -> Result<Self> {
        let text = |name: &str| {
            value[name].as_str().map(str::to_owned).with_context(|| format!("no text {name}"))
        };
        let number = |name: &str| {
            let found = &value[name];
            let read = found.as_u64().or_else(|| found.as_str()?.parse().ok());
            read.with_context(|| format!("no number {name}"))
        };
        ensure!(value["specversion"] == "1.0", "not a CloudEvent of version 1.0");
        ensure!(value["data"]["event_id"] == value["id"], "event_id is not the id");
        let status = &value["data"]["infrastructure_status"];
        ensure!(status["resource_id"] == value["subject"], "the subject is not the resource");
        ensure!(status["metrics"]["pod_count"].is_u64(), "pod_count is no number");
        let kind = text("type")?;
        let kind = kind.strip_prefix("io.bellwether.infrastructure.").context("foreign type")?;
        let kind = kind.split('.').nth(1).context("short type")?;
        Ok(Self {
            id: text("id")?,
            kind: kind.to_owned(),
            subject: text("subject")?,
            incarnation: text("incarnation")?,
            time: text("time")?,
            sequence: number("sequence")?,
            shard: number("shard")?,
            offset: number("offset")?,
            term: number("term")?,
            status: status["health_status"].as_str().context("no health_status")?.to_owned(),
            previous: status["previous_status"].as_str().map(str::to_owned),
            reason: status["reason"].as_str().context("no reason")?.to_owned(),
        })
    }

    /// Which life of which resource it belongs to.
    #[must_use]
    pub fn life(&self) -> Life {
        (self.subject.clone(), self.incarnation.clone())
    }

    /// What is wrong with this one after the one before it in the same life.
    fn follows(&self, before: Option<&Self>) -> Option<String> {
        let Some(before) = before else {
            let begins = self.sequence == 1 && self.kind == "declared";
            return (!begins).then(|| format!("a life begins in the middle: {self}"));
        };
        if self.sequence != before.sequence + 1 {
            return Some(format!("after sequence {}: {self}", before.sequence));
        }
        if before.kind == "removed" {
            return Some(format!("after the end: {self}"));
        }
        if self.time < before.time {
            return Some(format!("earlier than {}: {self}", before.time));
        }
        if self.kind == "updated" {
            if self.previous.as_deref() != Some(&before.status) {
                return Some(format!("the health before was {}: {self}", before.status));
            }
            if self.status == before.status {
                return Some(format!("no change: {self}"));
            }
        }
        None
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} of {}@{}: {:?} -> {} ({}), shard {} offset {}, {}",
            self.kind,
            self.sequence,
            self.subject,
            self.incarnation,
            self.previous,
            self.status,
            self.reason,
            self.shard,
            self.offset,
            self.time,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offset: u64, sequence: u64, status: &str, previous: Option<&str>) -> Told {
        Told {
            id: format!("{offset}"),
            kind: if sequence == 1 { "declared" } else { "updated" }.to_owned(),
            subject: "a".to_owned(),
            incarnation: "1.0".to_owned(),
            time: format!("2026-01-01T00:00:0{offset}.000Z"),
            sequence,
            shard: 0,
            offset,
            term: 1,
            status: status.to_owned(),
            previous: previous.map(str::to_owned),
            reason: String::new(),
        }
    }

    fn file() -> Vec<Told> {
        vec![
            told(1, 1, "UNKNOWN", None),
            told(2, 2, "HEALTHY", Some("UNKNOWN")),
            told(3, 3, "CRITICAL", Some("HEALTHY")),
        ]
    }

    #[test]
    fn semantics_8_to_11_gaps_inversions_and_repeats_are_found() {
        assert!(EventFile { events: file() }.violations().is_empty());
        let mut gap = file();
        gap.remove(1);
        let mut repeat = file();
        repeat.push(repeat[2].clone());
        let mut inversion = file();
        inversion.swap(1, 2);
        let mut lost_head = file();
        lost_head.remove(0);
        let mut wrong_before = file();
        wrong_before[2].previous = Some("WARNING".to_owned());
        for (name, events) in [
            ("gap", gap),
            ("repeat", repeat),
            ("inversion", inversion),
            ("lost head", lost_head),
            ("wrong state before", wrong_before),
        ] {
            assert!(!EventFile { events }.violations().is_empty(), "{name}");
        }
    }

    #[test]
    fn a_torn_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        std::fs::write(&path, "{\"specversion\":\"1.0\"").unwrap();
        assert!(EventFile::read(&path).unwrap_err().to_string().contains("torn"));
        assert!(EventFile::read(&dir.path().join("none")).unwrap().events.is_empty());
    }
}
