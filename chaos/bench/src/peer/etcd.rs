//! etcd: one member or three, on the disk that is measured, at its defaults.

pub mod cluster;
pub mod watch;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use tonic::transport::{Channel, Endpoint};

use crate::{
    component::{self, Missing},
    process::{Process, below, free_port},
    wire::etcd::{
        PutRequest, RangeRequest, RangeResponse, StatusRequest, StatusResponse,
        kv_client::KvClient, maintenance_client::MaintenanceClient, watch_client::WatchClient,
    },
};

const START: Duration = Duration::from_secs(30);

/// A running member. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Etcd {
    /// The process.
    pub process: Process,
    /// Its program and arguments.
    line: Vec<String>,
    url: String,
    data: tempfile::TempDir,
}

/// Whether etcd is to be had here; builds it once.
///
/// # Errors
/// Why not.
pub async fn available() -> Result<std::path::PathBuf, Missing> {
    component::find("etcd").await
}

impl Etcd {
    /// Starts a member with its data in `data` and waits until it answers.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start(program: &Path, data: tempfile::TempDir) -> Result<Self> {
        Self::start_under(&[], program, data).await
    }

    /// The same below a tracer: its command line up to the program.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start_under(
        tracer: &[String],
        program: &Path,
        data: tempfile::TempDir,
    ) -> Result<Self> {
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let mut etcd = Self::launch(tracer, program, data, |arguments| {
            arguments.extend(["--listen-peer-urls", &peer].map(str::to_owned));
            arguments.extend(["--initial-advertise-peer-urls", &peer].map(str::to_owned));
            arguments.extend(["--initial-cluster".to_owned(), format!("default={peer}")]);
        })?;
        etcd.ready().await?;
        Ok(etcd)
    }

    /// Starts a member with what `more` adds, and does not wait for it.
    fn launch(
        tracer: &[String],
        program: &Path,
        data: tempfile::TempDir,
        more: impl FnOnce(&mut Vec<String>),
    ) -> Result<Self> {
        let url = format!("http://127.0.0.1:{}", free_port()?);
        let mut line = vec![program.to_string_lossy().into_owned(), "--data-dir".to_owned()];
        line.push(data.path().join("etcd").to_string_lossy().into_owned());
        line.extend(["--listen-client-urls", &url].map(str::to_owned));
        line.extend(["--advertise-client-urls", &url].map(str::to_owned));
        line.extend(["--log-level", "error"].map(str::to_owned));
        more(&mut line);
        let process = spawn(tracer, &line, &data)?;
        Ok(Self { process, line, url, data })
    }

    /// Starts the process again that has ended, below a tracer where its words are given.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn restart(&mut self, tracer: &[String]) -> Result<()> {
        self.process = spawn(tracer, &self.line, &self.data)?;
        Ok(())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// Where it ends before, or takes too long.
    pub async fn ready(&mut self) -> Result<()> {
        let client = self.client()?;
        let ready = async || get(&mut client.clone(), b"ready", false).await.is_ok();
        self.process.until_ready(START, ready).await.map(drop)
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// Never for the URLs that this module makes.
    pub fn client(&self) -> Result<KvClient<Channel>> {
        Ok(KvClient::new(self.connection()?))
    }

    /// A connection of its own for watches.
    ///
    /// # Errors
    /// Never for the URLs that this module makes.
    pub fn watcher(&self) -> Result<WatchClient<Channel>> {
        Ok(WatchClient::new(self.connection()?))
    }

    /// What it says of itself and its leader.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn status(&self) -> Result<StatusResponse> {
        Ok(self.maintenance()?.status(StatusRequest {}).await?.into_inner())
    }

    fn maintenance(&self) -> Result<MaintenanceClient<Channel>> {
        Ok(MaintenanceClient::new(self.connection()?))
    }

    fn connection(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(self.url.clone())?.connect_lazy())
    }

    /// How many fsyncs of its log there were, by its own metric.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn log_syncs(&self) -> Result<u64> {
        self.count("etcd_disk_wal_fsync_duration_seconds_count").await
    }

    /// One of its own metrics that counts something, over all labels.
    ///
    /// # Errors
    /// Where it does not answer, or has no such metric.
    pub async fn count(&self, name: &str) -> Result<u64> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await?.text().await?;
        count(&text, name).with_context(|| format!("etcd shows no {name}"))
    }
}

fn spawn(tracer: &[String], line: &[String], data: &tempfile::TempDir) -> Result<Process> {
    let mut command = below(tracer, Path::new(&line[0]));
    command.args(&line[1..]);
    Process::start("etcd", &mut command, &data.path().join("etcd.log"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole")]
fn count(metrics: &str, name: &str) -> Option<u64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let of_name = rest.starts_with([' ', '{']);
        of_name.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.map(|value| value as u64).reduce(|a, b| a + b)
}

/// Puts a value and returns the revision that it got.
///
/// # Errors
/// What etcd answers.
pub async fn put(client: &mut KvClient<Channel>, key: &[u8], value: Vec<u8>) -> Result<i64> {
    let request = PutRequest { key: key.to_vec(), value };
    let reply = client.put(request).await?.into_inner();
    Ok(reply.header.context("etcd's answer has no header")?.revision)
}

/// Reads one key; linearizably, or from the member's own state.
///
/// # Errors
/// What etcd answers.
pub async fn get(
    client: &mut KvClient<Channel>,
    key: &[u8],
    serializable: bool,
) -> Result<RangeResponse> {
    let request = RangeRequest { key: key.to_vec(), serializable, ..RangeRequest::default() };
    Ok(client.range(request).await?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_from_the_metrics_over_all_labels() {
        let text = "# TYPE a_count counter\na_count 42\na_counter 7\n\
                    b_total{To=\"1\"} 1e+06\nb_total{To=\"2\"} 2\n";
        assert_eq!(count(text, "a_count"), Some(42));
        assert_eq!(count(text, "b_total"), Some(1_000_002));
        assert_eq!(count("", "a_count"), None);
    }
}
