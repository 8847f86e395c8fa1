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
const STRANGER: &str = include_str!("stranger.py");

/// See the module. It ends when the value is dropped.
#[derive(Debug)]
pub struct Consumer {
    python: PathBuf,
    url: String,
    topic: String,
    directory: TempDir,
    /// How often it was started.
    lives: u32,
    child: Option<Child>,
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

    /// Sends into these partitions what is no event of ours, by a program that knows nothing of us.
    ///
    /// # Errors
    /// It does not come to that.
    pub fn send_foreign(python: &Path, url: &str, partitions: &[String]) -> Result<()> {
        let sent = Command::new(python).args(["-c", STRANGER, url]).args(partitions).output()?;
        ensure!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        Ok(())
    }

    /// Subscribes, and reads on from the oldest message. Returns once it is subscribed.
    ///
    /// # Errors
    /// Where it does not come to that.
    pub fn start(python: &Path, url: &str, topic: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("consumer.py"), PROGRAM)?;
        let (python, url, topic) = (python.to_owned(), url.to_owned(), topic.to_owned());
        let mut consumer = Self { python, url, topic, directory, lives: 0, child: None };
        consumer.resume()?;
        Ok(consumer)
    }

    /// Starts it again, where it has been stopped. It keeps what it got.
    ///
    /// # Errors
    /// It does not come to subscribe.
    pub fn resume(&mut self) -> Result<()> {
        self.stop();
        self.lives += 1;
        let path = |name: &str| self.directory.path().join(name);
        let log = std::fs::File::create(path("log"))?;
        let mut command = Command::new(&self.python);
        command.arg(path("consumer.py")).args([&self.url, &self.topic]).arg(self.file(self.lives));
        command.arg(self.lives.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let child = self.child.insert(command.spawn().context("cannot start the consumer")?);
        let output = child.stdout.take().context("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == "ready", "the consumer does not subscribe: {}", self.log());
        Ok(())
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is what is wanted.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }

    /// What came until now.
    ///
    /// # Errors
    /// What came is not as the contract says.
    pub fn consumed(&self) -> Result<Consumed> {
        let read = |life| std::fs::read_to_string(self.file(life)).unwrap_or_default();
        // Who was stopped in the middle of a line gets the message again.
        let whole = |text: String| text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned();
        let whole: String = (1..=self.lives).map(|life| whole(read(life))).collect();
        // Messages that were delivered again are no other messages.
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

    fn file(&self, life: u32) -> PathBuf {
        self.directory.path().join(format!("events-{life}"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop();
    }
}
