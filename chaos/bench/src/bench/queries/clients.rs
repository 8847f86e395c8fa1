//! The readers of both sides. Each has a connection of its own and checks every answer.

use anyhow::{Context, Result, ensure};
use api::v1::{self, resource_service_client::ResourceServiceClient};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{
    super::{http::Connection, ours::name},
    Cell, Wire,
};
use crate::{
    load::Client,
    peer::etcd::{self, Etcd},
    wire::etcd::{RangeRequest, kv_client::KvClient},
};

/// Resources that share a value of the label `team`, and the most of a page.
const PAGE: usize = 100;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// One resource by its id.
    Get,
    /// The hundred of a label.
    List,
}

/// Asks our API, over HTTP/1.1 or gRPC.
pub(super) struct OurReader {
    connection: Way,
    cell: Cell,
    resources: usize,
    random: StdRng,
}

enum Way {
    Rest(Connection),
    Grpc(ResourceServiceClient<Channel>),
}

impl OurReader {
    pub(super) async fn open(
        address: &str,
        cell: Cell,
        resources: usize,
        seed: u64,
    ) -> Result<Self> {
        let connection = match cell.wire {
            Wire::Rest => Way::Rest(Connection::open(address).await?),
            Wire::Grpc => {
                let channel = Channel::from_shared(address.to_owned())?.connect().await?;
                Way::Grpc(ResourceServiceClient::new(channel))
            }
        };
        Ok(Self { connection, cell, resources, random: StdRng::seed_from_u64(seed) })
    }
}

impl Client for OurReader {
    async fn once(&mut self) -> Result<()> {
        let Self { connection, cell, resources, random } = self;
        match connection {
            Way::Rest(connection) => over_rest(connection, *cell, *resources, random).await,
            Way::Grpc(client) => over_grpc(client, *cell, *resources, random).await,
        }
    }
}

async fn over_grpc(
    client: &mut ResourceServiceClient<Channel>,
    cell: Cell,
    resources: usize,
    random: &mut StdRng,
) -> Result<()> {
    let consistency =
        if cell.stale { v1::Consistency::Stale } else { v1::Consistency::Linearizable };
    let consistency = consistency.into();
    match cell.question {
        Question::Get => {
            let resource_id = format!("service:{}", name(random.random_range(0..resources)));
            let asked = v1::GetResourceRequest { resource_id: resource_id.clone(), consistency };
            let answer = client.get_resource(asked).await?.into_inner().resource;
            let is_it = answer.is_some_and(|resource| resource.resource_id == resource_id);
            ensure!(is_it, "the answer is not {resource_id}");
        }
        Question::List => {
            let team = random.random_range(0..resources / PAGE);
            let labels = format!("team=t{team}");
            let filter = Some(v1::ResourceFilter { labels, ..v1::ResourceFilter::default() });
            let page_size = u32::try_from(PAGE)?;
            let asked = v1::ListResourcesRequest {
                filter,
                page_size,
                consistency,
                ..v1::ListResourcesRequest::default()
            };
            let rows = client.list_resources(asked).await?.into_inner().resources;
            let first = rows.first().map(|row| row.resource_id.clone());
            let wanted = format!("service:{}", name(team * PAGE));
            ensure!(first == Some(wanted), "the page is not that of t{team}");
            ensure!(rows.len() == PAGE, "the page of t{team} is not whole");
        }
    }
    Ok(())
}

async fn over_rest(
    connection: &mut Connection,
    cell: Cell,
    resources: usize,
    random: &mut StdRng,
) -> Result<()> {
    let consistency = if cell.stale { "stale" } else { "linearizable" };
    match cell.question {
        Question::Get => {
            let name = name(random.random_range(0..resources));
            let path = format!("{RESOURCES}/service:{name}?consistency={consistency}");
            let body = connection.get(&path).await?;
            let begins = format!("{{\"resource_id\":\"service:{name}\"");
            ensure!(body.starts_with(begins.as_bytes()), "the answer is not {name}");
        }
        Question::List => {
            let team = random.random_range(0..resources / PAGE);
            let path =
                format!("{RESOURCES}?labels=team%3Dt{team}&limit={PAGE}&consistency={consistency}");
            let body = connection.get(&path).await?;
            let begins = format!("[{{\"resource_id\":\"service:{}\"", name(team * PAGE));
            ensure!(body.starts_with(begins.as_bytes()), "the page is not that of t{team}");
            let last = format!("\"resource_id\":\"service:{}\"", name(team * PAGE + PAGE - 1));
            ensure!(holds_late(body, last.as_bytes()), "the page of t{team} is not whole");
        }
    }
    Ok(())
}

const RESOURCES: &str = "/api/v1/infrastructure/resources";

/// Looks in the last 2 KiB, where the last row of a page begins.
fn holds_late(body: &[u8], what: &[u8]) -> bool {
    let late = &body[body.len().saturating_sub(2_048)..];
    late.windows(what.len()).any(|window| window == what)
}

/// How many bytes our answer for one resource has.
pub(super) async fn value_size(address: &str) -> Result<usize> {
    let mut connection = Connection::open(address).await?;
    Ok(connection.get(&format!("{RESOURCES}/service:{}", name(0))).await?.len())
}

/// Asks etcd over gRPC.
pub(super) struct EtcdReader {
    client: KvClient<Channel>,
    cell: Cell,
    resources: usize,
    random: StdRng,
}

impl EtcdReader {
    pub(super) fn new(client: KvClient<Channel>, cell: Cell, resources: usize, seed: u64) -> Self {
        Self { client, cell, resources, random: StdRng::seed_from_u64(seed) }
    }

    fn request(&mut self) -> (RangeRequest, usize) {
        let serializable = self.cell.stale;
        match self.cell.question {
            Question::Get => {
                let key = name(self.random.random_range(0..self.resources)).into_bytes();
                (RangeRequest { key, serializable, ..RangeRequest::default() }, 1)
            }
            Question::List => {
                let first = self.random.random_range(0..self.resources / PAGE) * PAGE;
                let (key, range_end) = (name(first).into_bytes(), name(first + PAGE).into_bytes());
                let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
                (RangeRequest { key, range_end, limit, serializable }, PAGE)
            }
        }
    }
}

impl Client for EtcdReader {
    async fn once(&mut self) -> Result<()> {
        let (request, count) = self.request();
        let first = request.key.clone();
        let answer = self.client.range(request).await?.into_inner();
        let begins = answer.kvs.first().is_some_and(|kv| kv.key == first);
        ensure!(begins && answer.kvs.len() == count, "etcd's answer is not what was asked for");
        Ok(())
    }
}

/// Puts as many keys as we have resources, with values of the same size.
pub(super) async fn fill(etcd: &Etcd, keys: usize, value: usize, tasks: usize) -> Result<()> {
    let mut filling = JoinSet::new();
    for task in 0..tasks {
        let mut client = etcd.client()?;
        filling.spawn(async move {
            for n in (task..keys).step_by(tasks) {
                etcd::put(&mut client, name(n).as_bytes(), vec![b'x'; value]).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(filled) = filling.join_next().await {
        filled?.context("etcd cannot be filled")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_of_a_page_is_looked_for_at_its_end() {
        let mut body = vec![b' '; 5_000];
        body.extend_from_slice(b"\"x\":1}]");
        assert!(holds_late(&body, b"\"x\":1"));
        assert!(!holds_late(&body, b"\"y\":1"));
        assert!(!holds_late(b"", b"a"));
    }
}
