//! etcd as the subject, at its defaults. A key is written by a put.

use anyhow::{Context, Result, ensure};
use tonic::transport::Channel;

use super::{
    hurt::{Slow, Tracer},
    subject::Subject,
    writers::{Key, Store},
};
use crate::{
    peer::etcd::{self, cluster::Cluster},
    wire::etcd::kv_client::KvClient,
};

impl Subject for Cluster {
    type Store = Puts;

    fn store(&self) -> Puts {
        // The URLs are this program's own.
        Puts(self.members.iter().filter_map(|member| member.client().ok()).collect())
    }

    async fn leader(&self) -> Result<(usize, u64)> {
        Ok((Self::leader(self).await?.0, 1))
    }

    fn pid(&self, node: usize) -> u32 {
        self.members[node].process.pid()
    }

    fn kill(&mut self, node: usize) -> Result<()> {
        self.members[node].process.kill()
    }

    async fn hand_over(&mut self, _node: usize) -> Result<()> {
        self.move_leader().await.map(drop)
    }

    async fn mend(&mut self, node: usize) -> Result<()> {
        if self.members[node].process.has_ended()? {
            self.members[node].restart(&[])?;
        }
        self.members[node].ready().await
    }

    /// Starts it below a tracer: it works by many threads, and one that is attached to all of
    /// them would slow down everything that they do.
    async fn slow_down(&mut self, node: usize, slow: &Slow) -> Result<Option<Tracer>> {
        self.members[node].process.stop().await?;
        self.members[node].restart(&slow.wrapper())?;
        self.members[node].ready().await?;
        self.lead_by(node).await?;
        let (leader, _) = Self::leader(self).await?;
        ensure!(leader == node, "etcd's leader is another than the one that was asked to lead");
        Ok(None)
    }

    async fn seats(&self, _hurt: usize) -> Result<Vec<Option<usize>>> {
        Ok(vec![self.seen_leader().await])
    }

    async fn missed(&self) -> Result<u64> {
        Ok(0)
    }
}

/// Clients of all members.
#[derive(Clone)]
pub(super) struct Puts(Vec<KvClient<Channel>>);

impl Store for Puts {
    fn nodes(&self) -> usize {
        self.0.len()
    }

    async fn write(&self, node: usize, key: Key, number: u64) -> Result<u64> {
        let mut client = self.0[node].clone();
        let value = number.to_string().into_bytes();
        Ok(etcd::put(&mut client, name(key).as_bytes(), value).await?.try_into()?)
    }

    async fn read(&self, node: usize, key: Key) -> Result<u64> {
        let mut client = self.0[node].clone();
        let found = etcd::get(&mut client, name(key).as_bytes(), false).await?;
        let kv = found.kvs.first().with_context(|| format!("etcd has no {}", name(key)))?;
        Ok(kv.mod_revision.try_into()?)
    }
}

fn name(key: Key) -> String {
    format!("bench:{}-{}", key.stream, key.slot)
}
