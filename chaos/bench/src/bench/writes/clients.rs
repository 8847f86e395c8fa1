//! The clients of both sides. All are tonic's, several on one connection, alike on both sides.

use anyhow::{Context, Result, ensure};
use futures_util::stream;
use tokio::sync::mpsc;
use tonic::{Streaming, transport::Channel};

use super::{
    layout::{Acknowledged, Turn, all, id, push, value},
    server::Ours,
};
use crate::{
    load::Client,
    peer::etcd::{self, Etcd},
    wire::{
        etcd::kv_client::KvClient,
        writes::{WriteReply, WriteRequest, writes_client::WritesClient},
    },
};

/// Connections that the clients of a load share, where there are more clients than this.
pub(super) const CONNECTIONS: usize = 16;

/// One call for each write.
pub(super) struct Unary {
    client: WritesClient<Channel>,
    turn: Turn,
    acknowledged: Acknowledged,
}

/// One stream for each client, one write of it in flight.
pub(super) struct Streamed {
    requests: mpsc::Sender<WriteRequest>,
    replies: Streaming<WriteReply>,
    turn: Turn,
    acknowledged: Acknowledged,
}

/// A put of etcd for each write.
pub(super) struct Put {
    client: KvClient<Channel>,
    turn: Turn,
    acknowledged: Acknowledged,
}

/// Of each client its connection, which it shares with others, and its turn. `parts` are the
/// resources by the server that they are written at; clients go to the servers in turn.
fn clients<C: Clone>(
    count: usize,
    parts: &[Vec<usize>],
    mut connect: impl FnMut(usize) -> Result<C>,
) -> Result<Vec<(C, Turn)>> {
    let connections: Vec<C> = (0..count.min(CONNECTIONS - CONNECTIONS % parts.len()))
        .map(|n| connect(n % parts.len()))
        .collect::<Result<_>>()?;
    let client = |n: usize| {
        let part = n % parts.len();
        let clients = (count - part).div_ceil(parts.len());
        let turn = Turn::new(&parts[part], n / parts.len(), clients);
        (connections[n % connections.len()].clone(), turn)
    };
    Ok((0..count).map(client).collect())
}

impl Unary {
    pub(super) fn clients(
        server: &Ours,
        count: usize,
        acknowledged: &Acknowledged,
    ) -> Result<Vec<Self>> {
        let client = |(client, turn)| Self { client, turn, acknowledged: acknowledged.clone() };
        Ok(clients(count, server.parts(), |n| server.client(n))?.into_iter().map(client).collect())
    }
}

impl Client for Unary {
    async fn once(&mut self) -> Result<()> {
        let (number, at) = self.turn.next();
        let request = WriteRequest { push: push(number, at) };
        let reply = self.client.write(request).await?.into_inner();
        ensure!(reply.revision > 0, "a write was acknowledged without a revision");
        self.acknowledged.set(number, at);
        Ok(())
    }
}

impl Streamed {
    pub(super) async fn clients(
        server: &Ours,
        count: usize,
        acknowledged: &Acknowledged,
    ) -> Result<Vec<Self>> {
        let mut open = Vec::with_capacity(count);
        for (client, turn) in clients(count, server.parts(), |n| server.client(n))? {
            open.push(Self::open(client, turn, acknowledged.clone()).await?);
        }
        Ok(open)
    }

    async fn open(
        mut client: WritesClient<Channel>,
        turn: Turn,
        acknowledged: Acknowledged,
    ) -> Result<Self> {
        let (requests, mut queued) = mpsc::channel(1);
        let outgoing = stream::poll_fn(move |context| queued.poll_recv(context));
        let replies = client.write_stream(outgoing).await?.into_inner();
        Ok(Self { requests, replies, turn, acknowledged })
    }
}

impl Client for Streamed {
    async fn once(&mut self) -> Result<()> {
        let (number, at) = self.turn.next();
        let request = WriteRequest { push: push(number, at) };
        self.requests.send(request).await.context("the stream has ended")?;
        let reply = self.replies.message().await?.context("the stream has ended")?;
        ensure!(reply.revision > 0, "a write was acknowledged without a revision");
        self.acknowledged.set(number, at);
        Ok(())
    }
}

impl Put {
    pub(super) fn clients(
        server: &Etcd,
        count: usize,
        acknowledged: &Acknowledged,
    ) -> Result<Vec<Self>> {
        let client = |(client, turn)| Self { client, turn, acknowledged: acknowledged.clone() };
        Ok(clients(count, &[all()], |_| server.client())?.into_iter().map(client).collect())
    }
}

impl Client for Put {
    async fn once(&mut self) -> Result<()> {
        let (number, at) = self.turn.next();
        let revision = etcd::put(&mut self.client, id(number).as_bytes(), value(at)).await?;
        ensure!(revision > 0, "a put was acknowledged without a revision");
        self.acknowledged.set(number, at);
        Ok(())
    }
}

/// Reads back, linearizably, some of what etcd acknowledged.
pub(super) async fn check_etcd(server: &Etcd, acknowledged: &Acknowledged) -> Result<()> {
    let mut client = server.client()?;
    for (number, expected) in acknowledged.some(64) {
        let found = etcd::get(&mut client, id(number).as_bytes(), false).await?;
        let value = found.kvs.first().map(|kv| kv.value.clone()).unwrap_or_default();
        let time = value.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
        ensure!(time >= expected, "etcd lost a put to {} that it acknowledged", id(number));
    }
    Ok(())
}
