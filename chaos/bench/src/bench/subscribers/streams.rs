//! etcd: puts at the leader, and watches on all members, several on one connection.

use anyhow::{Context, Result};
use tonic::transport::Channel;

use super::changes::{CHANGED, Reader, Writer};
use crate::{
    peer::etcd::{self, cluster::Cluster, watch::Watch},
    wire::etcd::{kv_client::KvClient, watch_client::WatchClient},
};

const PREFIX: &str = "watched:";
/// About what an event of ours has.
const VALUE: usize = 600;
/// Connections to each member.
const EACH: usize = 8;

/// Connections that watches share. One whose client does not read must not be among them: it
/// would use up the room of the connection for the others.
pub(super) struct Connections(Vec<WatchClient<Channel>>);

impl Connections {
    pub(super) fn open(cluster: &Cluster) -> Result<Self> {
        let members = cluster.members.iter().cycle().take(EACH * cluster.members.len());
        Ok(Self(members.map(|member| member.watcher()).collect::<Result<_>>()?))
    }

    pub(super) fn get(&self, n: usize) -> WatchClient<Channel> {
        self.0[n % self.0.len()].clone()
    }
}

#[derive(Clone)]
pub(super) struct Puts(KvClient<Channel>);

impl Puts {
    pub(super) fn to(client: KvClient<Channel>) -> Self {
        Self(client)
    }
}

impl Writer for Puts {
    async fn change(&self, number: usize) -> Result<()> {
        let key = format!("{PREFIX}{}", number % CHANGED);
        let mut value = number.to_be_bytes().to_vec();
        value.resize(VALUE, b'x');
        etcd::put(&mut self.0.clone(), key.as_bytes(), value).await.map(drop)
    }
}

/// A watch that is open.
pub(super) struct Watching(Watch);

impl Watching {
    pub(super) async fn open(client: WatchClient<Channel>) -> Result<Self> {
        Ok(Self(Watch::open(client, PREFIX).await?))
    }
}

impl Reader for Watching {
    async fn next(&mut self, numbers: &mut Vec<usize>) -> Result<()> {
        for event in self.0.next().await? {
            let value = event.kv.context("an event without a key")?.value;
            let number = value.first_chunk().context("an event without a number")?;
            numbers.push(usize::from_be_bytes(*number));
        }
        Ok(())
    }
}
