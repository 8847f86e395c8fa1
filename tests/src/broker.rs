//! A standalone Apache Pulsar of a test's own, on loopback or a network of the test's own.

mod gate;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::Response;
use serde_json::Value;

pub use gate::Gate;

use crate::{
    component::{self, Missing},
    ports::free_port,
    wait::eventually,
};

/// How long it may take until it serves, on a busy machine.
const START: Duration = Duration::from_secs(90);
/// The lines of its log that a failed start shows.
const MOST_FAULTS: usize = 20;
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// See the module. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Broker {
    program: PathBuf,
    directory: tempfile::TempDir,
    ip: IpAddr,
    port: u16,
    http: u16,
    gate: Option<Gate>,
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
        Self::start_at(program, LOOPBACK).await
    }

    /// The same at an address of this machine that others reach.
    ///
    /// # Errors
    /// Where it does not come to serve.
    pub async fn start_at(program: PathBuf, ip: IpAddr) -> Result<Self> {
        Self::begin(program, ip, tempfile::tempdir()?, |_| Ok(None)).await
    }

    /// The same with its data in a directory of the caller's choice.
    ///
    /// # Errors
    /// Where it does not come to serve.
    pub async fn start_in(program: PathBuf, directory: tempfile::TempDir) -> Result<Self> {
        Self::begin(program, LOOPBACK, directory, |_| Ok(None)).await
    }

    /// Starts one that lets in only whom it knows.
    ///
    /// # Errors
    /// Where it does not come to serve.
    pub async fn secured(program: PathBuf) -> Result<Self> {
        Self::begin(program, LOOPBACK, tempfile::tempdir()?, |directory| {
            Gate::new(directory).map(Some)
        })
        .await
    }

    async fn begin(
        program: PathBuf,
        ip: IpAddr,
        directory: tempfile::TempDir,
        gate: impl FnOnce(&Path) -> Result<Option<Gate>>,
    ) -> Result<Self> {
        let (port, http) = (free_port()?, free_port()?);
        let gate = gate(directory.path())?;
        let mut broker = Self { program, directory, ip, port, http, gate, child: None };
        broker.launch().await?;
        Ok(broker)
    }

    /// How to get into one that lets in only whom it knows.
    ///
    /// # Errors
    /// It lets in everybody.
    pub fn gate(&self) -> Result<&Gate> {
        self.gate.as_ref().context("the broker lets in everybody")
    }

    /// Starts it again with what it has on its disk.
    ///
    /// # Errors
    /// Where it does not come to serve.
    pub async fn launch(&mut self) -> Result<()> {
        let output = std::fs::File::create(self.directory.path().join("output"))?;
        let mut command = Command::new("nice");
        command.args(["-n", &raised().to_string()]).arg(&self.program);
        command.arg(self.directory.path().join("pulsar"));
        command.args([self.port.to_string(), self.http.to_string()]);
        command.args(["bindAddress", "advertisedAddress"].map(|key| format!("{key}={}", self.ip)));
        command.args(self.gate.as_ref().map(Gate::settings).transpose()?.unwrap_or_default());
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        self.child = Some(command.spawn().context("cannot start the broker")?);
        let serves = eventually("the broker serves", START, || self.is_well()).await;
        serves.with_context(|| self.last_words())
    }

    /// What went wrong, by its own account.
    fn last_words(&self) -> String {
        let read = |path: &str| {
            let text = std::fs::read_to_string(self.directory.path().join(path));
            text.unwrap_or_default()
        };
        let log = read("pulsar/pulsar.log");
        let faults = log.lines().filter(|line| {
            line.contains(" ERROR ") || line.starts_with("Caused by") || line.contains(" WARN ")
        });
        let faults: Vec<&str> = faults.take(MOST_FAULTS).collect();
        format!("{}\n{}", faults.join("\n"), read("output"))
    }

    async fn is_well(&self) -> Result<()> {
        let answer = self.get("brokers/health").await?.text().await?;
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

    /// Its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<rustix::process::Pid> {
        let id = self.child.as_ref()?.id();
        rustix::process::Pid::from_raw(i32::try_from(id).ok()?)
    }

    /// Makes a topic with partitions, `TENANT/NAMESPACE/NAME`, where it is not there yet. A broker
    /// that begins with nothing serves before its namespaces are there.
    ///
    /// # Errors
    /// What it answers in the end.
    pub async fn create(&self, topic: &str, partitions: u32) -> Result<()> {
        let url = self.admin(&format!("persistent/{topic}/partitions"));
        let put = || reqwest::Client::new().put(&url).header("content-type", "application/json");
        eventually("the topic is made", ANSWER, async || {
            let answer = put().body(partitions.to_string()).timeout(ANSWER).send().await?;
            if answer.status() != reqwest::StatusCode::CONFLICT {
                answer.error_for_status()?;
            }
            Ok::<_, anyhow::Error>(())
        })
        .await
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// What it answers; there may be no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<u64> {
        let answer = self.get(&format!("persistent/{topic}/partitions")).await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        answer["partitions"].as_u64().context("it does not say how many")
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
        format!("pulsar://{}:{}", self.ip, self.port)
    }

    /// The port of that.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is administered.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://{}:{}", self.ip, self.http)
    }

    /// A path of its administrative interface.
    #[must_use]
    pub fn admin(&self, path: &str) -> String {
        format!("{}/admin/v2/{path}", self.admin_url())
    }

    async fn get(&self, path: &str) -> Result<Response> {
        let mut request = reqwest::Client::new().get(self.admin(path));
        if let Some(gate) = &self.gate {
            request = request.bearer_auth(gate.token(ANSWER)?);
        }
        Ok(request.timeout(ANSWER).send().await?)
    }

    /// How many messages a topic holds, by the broker's own count.
    ///
    /// # Errors
    /// What it answers.
    pub async fn messages(&self, topic: &str) -> Result<u64> {
        let stats = self.get(&format!("persistent/{topic}/internalStats")).await?;
        let stats: Value = stats.error_for_status()?.json().await?;
        stats["numberOfEntries"].as_u64().context("it does not say how many")
    }

    /// One property of the n-th message of a topic, from 1, as the broker shows it.
    ///
    /// # Errors
    /// What it answers.
    pub async fn property(&self, topic: &str, n: u64, name: &str) -> Result<String> {
        let query = format!("initialPosition=earliest&messagePosition={n}");
        let answer = self.get(&format!("persistent/{topic}/examinemessage?{query}")).await?;
        let answer = answer.error_for_status()?;
        let properties =
            answer.headers().get("X-Pulsar-PROPERTY").context("it has no properties")?;
        let properties: Value = serde_json::from_slice(properties.as_bytes())?;
        let value = properties[name].as_str().with_context(|| format!("it has no {name}"))?;
        Ok(value.to_owned())
    }
}

/// How far this process is put above others. A broker, which is busy while it starts, must not have that of it.
fn raised() -> i32 {
    rustix::process::getpriority_process(None).map_or(0, |priority| (-priority).max(0))
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A destructor has nobody to tell.
        let _ = self.kill();
    }
}
