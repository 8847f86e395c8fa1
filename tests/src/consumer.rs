//! An independent consumer of a topic: Apache Pulsar's own client for Python, which knows nothing of us.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    component::{self, Missing},
    oracle::{EventFile, Told},
};

const PROGRAM: &str = include_str!("consumer.py");

/// See the module. It ends when the value is dropped.
#[derive(Debug)]
pub struct Consumer {
    child: Child,
    directory: TempDir,
}

/// What a consumer got.
#[derive(Debug, Clone, Default)]
pub struct Consumed {
    /// What is left for one that drops what it has had: in the order in which it came.
    pub events: Vec<Told>,
    /// How many were more than once in the topic.
    pub repeats: usize,
}

impl Consumer {
    /// Whether a Python with the client is to be had here; fetches it once.
    ///
    /// # Errors
    /// Why not.
    pub fn available() -> Result<PathBuf, Missing> {
        component::find_now("pulsar-client")
    }

    /// Subscribes, and reads on from the oldest message. Returns once it is subscribed.
    ///
    /// # Errors
    /// Where it does not come to that.
    pub fn start(python: &Path, url: &str, topic: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let program = directory.path().join("consumer.py");
        std::fs::write(&program, PROGRAM)?;
        let log = std::fs::File::create(directory.path().join("log"))?;
        let mut command = Command::new(python);
        command.arg(&program).args([url, topic]).arg(directory.path().join("events"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("cannot start the consumer")?;
        let output = child.stdout.take().context("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let consumer = Self { child, directory };
        ensure!(line.trim() == "ready", "the consumer does not subscribe: {}", consumer.log());
        Ok(consumer)
    }

    /// What came until now.
    ///
    /// # Errors
    /// What came is not as the contract says.
    pub fn consumed(&self) -> Result<Consumed> {
        let path = self.directory.path().join("events");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // Messages that were delivered again are no other messages.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let (mut messages, mut lines) = (BTreeSet::new(), String::new());
        for line in whole.lines() {
            let value: Value = serde_json::from_str(line)?;
            if messages.insert(value["message"].as_str().unwrap_or_default().to_owned()) {
                lines.push_str(line);
                lines.push('\n');
            }
        }
        let all = EventFile::parse(&lines)?.events;
        let (count, mut ids) = (all.len(), BTreeSet::new());
        let events: Vec<Told> =
            all.into_iter().filter(|event| ids.insert(event.id.clone())).collect();
        let repeats = count - events.len();
        Ok(Consumed { events, repeats })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // A destructor has nobody to tell.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
