//! A watch of etcd on all keys with a prefix.

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};
use tonic::{Streaming, transport::Channel};

use crate::wire::etcd::{
    Event, WatchCreateRequest, WatchRequest, WatchResponse, watch_client::WatchClient,
    watch_request::RequestUnion,
};

/// A watch that is open. It ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    answers: Streaming<WatchResponse>,
}

impl Watch {
    /// Opens it, and waits until etcd says that it is.
    ///
    /// # Errors
    /// What etcd answers.
    pub async fn open(mut client: WatchClient<Channel>, prefix: &str) -> Result<Self> {
        let key = prefix.as_bytes().to_vec();
        let range_end = after(&key);
        let create = RequestUnion::CreateRequest(WatchCreateRequest { key, range_end });
        let request = WatchRequest { request_union: Some(create) };
        // The requests must not end before the answers: etcd would take that for the end.
        let requests = stream::once(async move { request }).chain(stream::pending());
        let mut answers = client.watch(requests).await?.into_inner();
        let first = answers.message().await?.context("the watch has ended")?;
        ensure!(first.created, "etcd has not made the watch");
        Ok(Self { answers })
    }

    /// The next events.
    ///
    /// # Errors
    /// Where the watch ends.
    pub async fn next(&mut self) -> Result<Vec<Event>> {
        let answer = self.answers.message().await?.context("the watch has ended")?;
        ensure!(!answer.canceled, "etcd has cancelled the watch");
        Ok(answer.events)
    }
}

/// The first key that does not begin with the prefix.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_behind_the_last_key_with_the_prefix() {
        assert_eq!(after(b"flip:"), b"flip;");
    }
}
