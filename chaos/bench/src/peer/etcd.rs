//! One etcd member: started on the disk that is measured, at its defaults.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use tonic::transport::{Channel, Endpoint};

use crate::{
    component::{self, Missing},
    process::{Process, free_port},
    wire::etcd::{PutRequest, RangeRequest, RangeResponse, kv_client::KvClient},
};

const START: Duration = Duration::from_secs(30);

/// A running member with an empty store. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Etcd {
    /// The process.
    pub process: Process,
    url: String,
    _data: tempfile::TempDir,
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
        Self::start_under(None, program, data).await
    }

    /// The same below a tracer: its command line up to the program.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start_under(
        tracer: Option<Vec<String>>,
        program: &Path,
        data: tempfile::TempDir,
    ) -> Result<Self> {
        let url = format!("http://127.0.0.1:{}", free_port()?);
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let mut line = tracer.unwrap_or_default();
        line.push(program.to_string_lossy().into_owned());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).arg("--data-dir").arg(data.path().join("etcd"));
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"]);
        let process = Process::start("etcd", &mut command, &data.path().join("etcd.log"))?;
        let mut etcd = Self { process, url, _data: data };
        let client = etcd.client()?;
        let ready = async || get(&mut client.clone(), b"ready", false).await.is_ok();
        etcd.process.until_ready(START, ready).await?;
        Ok(etcd)
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// Never for the URLs that this module makes.
    pub fn client(&self) -> Result<KvClient<Channel>> {
        Ok(KvClient::new(Endpoint::from_shared(self.url.clone())?.connect_lazy()))
    }

    /// How many fsyncs of its log there were, by its own metric.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn log_syncs(&self) -> Result<u64> {
        let url = format!("{}/metrics", self.url);
        let text = reqwest::get(url).await?.text().await?;
        count(&text).context("etcd shows no etcd_disk_wal_fsync_duration_seconds_count")
    }
}

fn count(metrics: &str) -> Option<u64> {
    let prefix = "etcd_disk_wal_fsync_duration_seconds_count ";
    metrics.lines().find_map(|line| line.strip_prefix(prefix))?.trim().parse().ok()
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
    fn the_number_of_syncs_is_read_from_the_metrics() {
        let text = "# TYPE etcd_disk_wal_fsync_duration_seconds histogram\n\
                    etcd_disk_wal_fsync_duration_seconds_sum 1.5\n\
                    etcd_disk_wal_fsync_duration_seconds_count 42\n";
        assert_eq!(count(text), Some(42));
        assert_eq!(count(""), None);
    }
}
