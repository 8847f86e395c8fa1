//! Our side as a process: this program again, with `serve-writes`.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use tonic::transport::{Channel, Endpoint};

use super::layout::{Acknowledged, id};
use crate::{
    process::{Process, free_port},
    wire::writes::{ReadRequest, StatsReply, StatsRequest, writes_client::WritesClient},
};

const START: Duration = Duration::from_secs(60);
/// Resources that are read back after a load.
const READ_BACK: usize = 64;

/// A running server with fresh data. It is killed when the value is dropped.
pub(super) struct Ours {
    pub(super) process: Process,
    url: String,
    _data: tempfile::TempDir,
}

impl Ours {
    /// Starts it and waits until all groups lead and all resources are declared.
    pub(super) async fn start(
        tracer: Option<Vec<String>>,
        groups: u32,
        data: tempfile::TempDir,
    ) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let program = std::env::current_exe().context("this program's own path is unknown")?;
        let mut line = tracer.unwrap_or_default();
        line.push(program.to_string_lossy().into_owned());
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .arg("serve-writes")
            .arg("--data-dir")
            .arg(data.path().join("node"));
        command.args(["--groups", &groups.to_string(), "--listen", &address]);
        let process = Process::start("our server", &mut command, &data.path().join("node.log"))?;
        let mut ours = Self { process, url: format!("http://{address}"), _data: data };
        let client = ours.client()?;
        let ready = async || client.clone().stats(StatsRequest {}).await.is_ok();
        ours.process.until_ready(START, ready).await?;
        Ok(ours)
    }

    /// A connection of its own.
    pub(super) fn client(&self) -> Result<WritesClient<Channel>> {
        Ok(WritesClient::new(Endpoint::from_shared(self.url.clone())?.connect_lazy()))
    }

    pub(super) async fn stats(&self) -> Result<StatsReply> {
        Ok(self.client()?.stats(StatsRequest {}).await?.into_inner())
    }

    /// Reads back, linearizably, some of what was acknowledged.
    pub(super) async fn check(&self, acknowledged: &Acknowledged) -> Result<()> {
        let mut client = self.client()?;
        for (number, expected) in acknowledged.some(READ_BACK) {
            let found = client.read(ReadRequest { resource: id(number) }).await?.into_inner();
            ensure!(
                found.observed_at_ms >= expected,
                "{} holds {} although {expected} was acknowledged",
                id(number),
                found.observed_at_ms
            );
        }
        Ok(())
    }
}
