//! Apache Pulsar's own client for Java as a producer, driven as `pulsar-perf produce` drives it.
//!
//! The class of `pulsar-perf` lies in a library that the broker does without. `Produce.java` sets what
//! it sets and sends as it sends; the client below it is the broker's own version.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

const PROGRAM: &str = include_str!("pulsar/Produce.java");

/// What every message is.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its body.
    pub body: Vec<u8>,
    /// Its properties, by name.
    pub properties: Vec<(String, String)>,
}

/// How hard to send, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Drive {
    /// Messages a second; as many as go where 0.
    pub rate: f64,
    /// What does not count.
    pub warm: Duration,
    /// What does.
    pub span: Duration,
}

/// What the producer says.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Produced {
    /// Messages that were sent, those that do not count included.
    pub sent: u64,
    /// Those that the broker acknowledged.
    pub acknowledged: u64,
    /// The first moment that counts, in microseconds since 1970.
    pub begin: u64,
    /// The moment after the last that counts.
    pub end: u64,
    /// From due to acknowledged, the median.
    pub p50_us: u64,
    /// The same, the 99th percentile.
    pub p99_us: u64,
}

impl Sample {
    /// Body and properties, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let properties = self.properties.iter().map(|(key, value)| key.len() + value.len());
        self.body.len() + properties.sum::<usize>()
    }

    fn write(&self, directory: &Path) -> Result<()> {
        let properties = self.properties.iter().map(|(key, value)| format!("{key}={value}\n"));
        std::fs::write(directory.join("properties"), properties.collect::<String>())?;
        Ok(std::fs::write(directory.join("body"), &self.body)?)
    }
}

/// Whether this machine can compile and run the producer.
///
/// # Errors
/// Why not.
pub fn available() -> Result<()> {
    let modules = Command::new("java").arg("--list-modules").stdin(Stdio::null()).output();
    let modules = modules.context("needs Java: install the package default-jdk-headless")?;
    let compiles = String::from_utf8_lossy(&modules.stdout).contains("jdk.compiler");
    ensure!(compiles, "needs Java's compiler: install the package default-jdk-headless");
    Ok(())
}

/// Sends one message again and again to a topic of the broker that `broker` is the program of.
///
/// # Errors
/// Where it cannot be run, or the broker did not keep a message.
pub async fn produce(
    broker: &Path,
    (url, topic): (&str, &str),
    sample: &Sample,
    drive: Drive,
) -> Result<Produced> {
    let directory = tempfile::tempdir()?;
    sample.write(directory.path())?;
    let program = directory.path().join("Produce.java");
    std::fs::write(&program, PROGRAM)?;
    let libraries = broker.parent().context("the broker lies nowhere")?.join("lib/*");
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-cp"]).arg(libraries).arg(&program).args([url, topic]);
    command.arg(drive.rate.to_string());
    command.args([drive.warm, drive.span].map(|time| time.as_secs_f64().to_string()));
    command.args(["body", "properties"].map(|file| directory.path().join(file)));
    command.stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output()).await??;
    let (out, errors) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    ensure!(ran.status.success(), "the producer failed: {errors}");
    let line = out.lines().find(|line| line.starts_with('{'));
    let produced: Produced = serde_json::from_str(line.context("the producer says nothing")?)?;
    ensure!(produced.sent == produced.acknowledged, "not all was acknowledged: {produced:?}");
    Ok(produced)
}
