//! Our side as processes: this program again, with `serve-writes`, once or three times.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use harness::cluster::name;
use model::{ResourceId, ShardId};
use tonic::transport::{Channel, Endpoint};

use super::{
    super::ours::cluster::{NODES, certificates},
    layout::{Acknowledged, all, id},
};
use crate::{
    plan::Plan,
    process::{Process, below, free_port},
    wire::writes::{
        LeadersRequest, ReadRequest, StatsReply, StatsRequest, writes_client::WritesClient,
    },
};

const START: Duration = Duration::from_secs(120);
/// Resources that are read back after a load.
const READ_BACK: usize = 64;

/// Running servers with fresh data. They are killed when the value is dropped.
pub(super) struct Ours {
    pub(super) process: Process,
    _others: Vec<Process>,
    urls: Vec<String>,
    parts: Vec<Vec<usize>>,
    _data: Vec<tempfile::TempDir>,
}

impl Ours {
    /// Starts one and waits until all groups lead and all resources are declared.
    pub(super) async fn start(
        tracer: &[String],
        groups: u32,
        data: tempfile::TempDir,
    ) -> Result<Self> {
        let (process, url) = launch(tracer, groups, &data, &[])?;
        let (others, urls, data) = (Vec::new(), vec![url], vec![data]);
        let parts = vec![all()];
        let mut ours = Self { process, _others: others, urls, parts, _data: data };
        ours.ready().await?;
        Ok(ours)
    }

    /// Starts three that found a cluster, and waits until every group has three voters.
    pub(super) async fn three(plan: &Plan, groups: u32) -> Result<Self> {
        let certificates = certificates(plan, &[&name(0), &name(1), &name(2)])?;
        let from = certificates.path().display().to_string();
        let founder = SocketAddr::from(([127, 0, 0, 1], free_port()?)).to_string();
        let (mut processes, mut urls, mut data) = (Vec::new(), Vec::new(), vec![certificates]);
        for n in 0..NODES {
            let peer = match n {
                0 => founder.clone(),
                _ => SocketAddr::from(([127, 0, 0, 1], free_port()?)).to_string(),
            };
            let name = name(n);
            let mut more = vec!["--name", &name, "--peer", &peer, "--certificates", &from];
            more.extend(if n == 0 { ["--voters", "3"] } else { ["--joins", &founder] });
            let directory = plan.directory("ours-")?;
            let (process, url) = launch(&[], groups, &directory, &more)?;
            processes.push(process);
            urls.push(url);
            data.push(directory);
        }
        let process = processes.remove(0);
        let mut ours = Self { process, _others: processes, urls, parts: Vec::new(), _data: data };
        ours.ready().await?;
        ours.parts = ours.led(groups).await?;
        Ok(ours)
    }

    async fn ready(&mut self) -> Result<()> {
        let client = self.client(0)?;
        let ready = async || client.clone().stats(StatsRequest {}).await.is_ok();
        self.process.until_ready(START, ready).await.map(drop)
    }

    /// The resources by the server that leads their shards.
    async fn led(&self, groups: u32) -> Result<Vec<Vec<usize>>> {
        let leaders = self.client(0)?.leaders(LeadersRequest {}).await?.into_inner().nodes;
        let mut parts = Vec::with_capacity(self.urls.len());
        for n in 0..self.urls.len() {
            let node = self.client(n)?.stats(StatsRequest {}).await?.into_inner().node;
            let here = |number: &usize| {
                let id: Option<ResourceId> = id(*number).parse().ok();
                id.is_some_and(|id| leaders[ShardId::of(&id, groups).0 as usize] == node)
            };
            let part: Vec<usize> = all().into_iter().filter(here).collect();
            ensure!(!part.is_empty(), "node {node} leads nothing");
            parts.push(part);
        }
        Ok(parts)
    }

    /// A connection of its own to a server.
    pub(super) fn client(&self, n: usize) -> Result<WritesClient<Channel>> {
        Ok(WritesClient::new(Endpoint::from_shared(self.urls[n].clone())?.connect_lazy()))
    }

    /// The resources by the server that they are written at.
    pub(super) fn parts(&self) -> &[Vec<usize>] {
        &self.parts
    }

    /// Of all servers together.
    pub(super) async fn stats(&self) -> Result<StatsReply> {
        let mut sum = StatsReply::default();
        for n in 0..self.urls.len() {
            let one = self.client(n)?.stats(StatsRequest {}).await?.into_inner();
            sum.syncs += one.syncs;
            sum.sync_micros += one.sync_micros;
        }
        Ok(sum)
    }

    /// Reads back, linearizably, some of what was acknowledged, at the servers in turn.
    pub(super) async fn check(&self, acknowledged: &Acknowledged) -> Result<()> {
        for (n, (number, expected)) in acknowledged.some(READ_BACK).into_iter().enumerate() {
            let mut client = self.client(n % self.urls.len())?;
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

fn launch(
    tracer: &[String],
    groups: u32,
    data: &tempfile::TempDir,
    more: &[&str],
) -> Result<(Process, String)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let program = std::env::current_exe().context("this program's own path is unknown")?;
    let mut command = below(tracer, &program);
    command.arg("serve-writes").arg("--data-dir").arg(data.path().join("node"));
    command.args(["--groups", &groups.to_string(), "--listen", &address]).args(more);
    let process = Process::start("our server", &mut command, &data.path().join("node.log"))?;
    Ok((process, format!("http://{address}")))
}
