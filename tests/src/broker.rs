//! A standalone Apache Pulsar of a test's own, on loopback.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    component::{self, Missing},
    config::free_port,
    wait::eventually,
};

/// How long it may take until it serves, on a busy machine.
const START: Duration = Duration::from_secs(90);

/// See the module. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Broker {
    program: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
    http: u16,
    child: Option<Child>,
}

impl Broker {
    /// Whether Pulsar is to be had here; fetches it once.
    ///
    /// # Errors
    /// Why not.
    pub async fn available() -> Result<PathBuf, Missing> {
        component::find("pulsar").await
    }

    /// Starts one with nothing in it.
    ///
    /// # Errors
    /// Where it does not come to serve.
    pub async fn start(program: PathBuf) -> Result<Self> {
        let (directory, port, http) = (tempfile::tempdir()?, free_port()?, free_port()?);
        let mut broker = Self { program, directory, port, http, child: None };
        broker.launch().await?;
        Ok(broker)
    }

    /// Starts it again with what it has on its disk.
    ///
    /// # Errors
    /// Where it does not come to serve.
    pub async fn launch(&mut self) -> Result<()> {
        let output = std::fs::File::create(self.directory.path().join("output"))?;
        let mut command = Command::new(&self.program);
        command.arg(self.directory.path().join("pulsar"));
        command.args([self.port.to_string(), self.http.to_string()]);
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        self.child = Some(command.spawn().context("cannot start the broker")?);
        eventually("the broker serves", START, || self.is_well()).await
    }

    async fn is_well(&self) -> Result<()> {
        let answer = reqwest::get(self.admin("brokers/health")).await?.text().await?;
        if answer.trim() == "ok" { Ok(()) } else { bail!("it says {answer}") }
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is what is wanted.
            let _ = child.kill();
            child.wait()?;
        }
        Ok(())
    }

    /// Forgets everything that it holds. It must not run.
    ///
    /// # Errors
    /// Where the directory cannot be removed.
    pub fn wipe(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.directory.path().join("pulsar"))?)
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("pulsar://127.0.0.1:{}", self.port)
    }

    /// Where it is administered.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// A path of its administrative interface.
    #[must_use]
    pub fn admin(&self, path: &str) -> String {
        format!("{}/admin/v2/{path}", self.admin_url())
    }

    /// How many messages a topic holds, by the broker's own count.
    ///
    /// # Errors
    /// What it answers.
    pub async fn messages(&self, topic: &str) -> Result<u64> {
        let url = self.admin(&format!("persistent/{topic}/internalStats"));
        let stats: Value = reqwest::get(url).await?.error_for_status()?.json().await?;
        stats["numberOfEntries"].as_u64().context("it does not say how many")
    }

    /// One property of the n-th message of a topic, from 1, as the broker shows it.
    ///
    /// # Errors
    /// What it answers.
    pub async fn property(&self, topic: &str, n: u64, name: &str) -> Result<String> {
        let query = format!("initialPosition=earliest&messagePosition={n}");
        let url = self.admin(&format!("persistent/{topic}/examinemessage?{query}"));
        let answer = reqwest::get(url).await?.error_for_status()?;
        let properties =
            answer.headers().get("X-Pulsar-PROPERTY").context("it has no properties")?;
        let properties: Value = serde_json::from_slice(properties.as_bytes())?;
        let value = properties[name].as_str().with_context(|| format!("it has no {name}"))?;
        Ok(value.to_owned())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A destructor has nobody to tell.
        let _ = self.kill();
    }
}
