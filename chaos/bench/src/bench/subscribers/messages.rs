//! Ours over gRPC: watches on all nodes, several on one connection, as etcd's are.
//!
//! What a message says is looked for in its bytes: a thousand full clients would take more of the
//! shared processors than the servers.

use anyhow::{Context, Result};
use api::v1::{self, WatchKind, resource_service_client::ResourceServiceClient};
use tonic::{Streaming, transport::Channel};

use super::changes::Reader;

/// Connections to each node.
const EACH: usize = 8;
/// The key of the measurement that carries a change's number, as an entry of a map on the wire: its
/// length, itself, and the tag of a double.
const NUMBER: &[u8] = b"\x06change\x11";

/// Connections that watches share; those that are stalled have their own.
pub(super) struct Connections(Vec<Channel>);

impl Connections {
    pub(super) async fn open(nodes: &[String]) -> Result<Self> {
        let mut channels = Vec::new();
        for node in nodes.iter().cycle().take(EACH * nodes.len()) {
            channels.push(connect(node).await?);
        }
        Ok(Self(channels))
    }

    pub(super) fn get(&self, n: usize) -> Channel {
        self.0[n % self.0.len()].clone()
    }
}

pub(super) async fn connect(node: &str) -> Result<Channel> {
    Ok(Channel::from_shared(node.to_owned())?.connect().await?)
}

/// A watch that is open and synced.
pub(super) struct Watch(Streaming<api::WatchMessage>);

impl Watch {
    pub(super) async fn open(channel: Channel) -> Result<Self> {
        let asked = v1::WatchResourcesRequest::default();
        let answer = ResourceServiceClient::new(channel).watch_resources(asked).await?;
        let mut watch = Self(answer.into_inner());
        while watch.message().await?.kind() != WatchKind::Synced {}
        Ok(watch)
    }

    async fn message(&mut self) -> Result<api::WatchMessage> {
        self.0.message().await?.context("the node has ended the watch")
    }
}

impl Reader for Watch {
    async fn next(&mut self, numbers: &mut Vec<usize>) -> Result<()> {
        let message = self.message().await?;
        numbers.extend(message.resource.as_deref().and_then(number));
        Ok(())
    }
}

fn number(resource: &[u8]) -> Option<usize> {
    let at = resource.windows(NUMBER.len()).position(|window| window == NUMBER)?;
    let bytes = resource[at + NUMBER.len()..].first_chunk::<8>()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count")]
    Some(f64::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn the_number_is_found_in_the_bytes_of_a_resource() {
        let metrics =
            v1::Metrics { extra: [("change".to_owned(), 17.0)].into(), ..v1::Metrics::default() };
        let resource = v1::Resource { metrics: Some(metrics), ..v1::Resource::default() };
        assert_eq!(number(&resource.encode_to_vec()), Some(17));
        assert_eq!(number(&v1::Resource::default().encode_to_vec()), None);
    }
}
