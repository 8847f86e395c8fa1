//! Follows a watch from node to node, and holds what it is told against the one rule: the events of a
//! resource have the numbers 1, 2, 3 and so on.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use api::v1::{self, WatchKind, resource_service_client::ResourceServiceClient};
use bellwether_tests::{Client, eventually, watch::Watch};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use prost::Message;
use tokio::{task::JoinHandle, time::sleep};
use tonic::{Streaming, transport::Channel};

/// A watch that says nothing for so long is given up: idle ones are told of their place far more often.
const SILENCE: Duration = Duration::from_secs(60);
/// Before another node is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// One thing that a watch tells.
pub(crate) struct Told {
    cursor: String,
    /// Whether it is a transition; others only say how many events there were.
    is_transition: bool,
    row: Option<(String, u64)>,
}

/// A way to watch nodes.
pub(crate) trait Wire: Send + 'static {
    fn nodes(&self) -> usize;
    fn open<'a>(&'a mut self, node: usize, cursor: &'a str) -> BoxFuture<'a, Result<()>>;
    fn next(&mut self) -> BoxFuture<'_, Result<Told>>;
}

/// What was told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// The number of the last event of each resource.
    sequences: BTreeMap<String, u64>,
    /// Transitions.
    pub(crate) told: u64,
    /// How often the watch went on after it had ended.
    pub(crate) resumed: u64,
    /// Whether it has a place to come back to.
    is_placed: bool,
    /// What should not have been told.
    wrong: Option<String>,
}

impl Seen {
    fn take(&mut self, told: &Told) {
        let Some((id, sequence)) = &told.row else { return };
        let last = self.sequences.entry(id.clone()).or_default();
        if told.is_transition {
            self.told += 1;
            if *sequence != *last + 1 && self.wrong.is_none() {
                self.wrong = Some(format!("{id}: event {sequence} after {last}"));
            }
        }
        *last = *sequence.max(last);
    }
}

/// See the module.
pub(crate) struct Follower {
    seen: Arc<Mutex<Seen>>,
    node: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Follower {
    pub(crate) fn start(wire: impl Wire) -> Self {
        let (seen, node) = (Arc::new(Mutex::default()), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(follow(wire, Arc::clone(&seen), Arc::clone(&node)));
        Self { seen, node, task }
    }

    /// The node that it is on.
    pub(crate) fn node(&self) -> usize {
        self.node.load(Ordering::Relaxed)
    }

    /// Waits until all rows were told: what changes before may be told twice.
    pub(crate) async fn placed(&self, patience: Duration) -> Result<()> {
        eventually("the watch has told all rows", patience, async || {
            ensure!(self.seen.lock().is_placed, "not yet");
            Ok(())
        })
        .await
    }

    /// Waits until every resource has had so many events, and says what was seen.
    pub(crate) async fn until(
        &self,
        wanted: &BTreeMap<String, u64>,
        patience: Duration,
    ) -> Result<Seen> {
        eventually("the watch has told everything", patience, async || {
            let seen = self.seen.lock().clone();
            if let Some(wrong) = &seen.wrong {
                bail!("{wrong}");
            }
            ensure!(seen.sequences == *wanted, "{:?}, not {wanted:?}", seen.sequences);
            Ok(())
        })
        .await?;
        Ok(self.seen.lock().clone())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(mut wire: impl Wire, seen: Arc<Mutex<Seen>>, node: Arc<AtomicUsize>) {
    let (mut cursor, mut on) = (String::new(), 0);
    loop {
        node.store(on, Ordering::Relaxed);
        let opened = wire.open(on, &cursor).await.is_ok();
        if opened && !cursor.is_empty() {
            seen.lock().resumed += 1;
        }
        if opened {
            while let Ok(told) = wire.next().await {
                if !told.cursor.is_empty() {
                    cursor.clone_from(&told.cursor);
                }
                let mut seen = seen.lock();
                seen.is_placed |= !cursor.is_empty();
                seen.take(&told);
            }
        }
        on = (on + 1) % wire.nodes();
        sleep(PAUSE).await;
    }
}

/// Server-sent events.
pub(crate) struct Sse {
    clients: Vec<Client>,
    watch: Option<Watch>,
}

impl Sse {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        Self { clients, watch: None }
    }
}

impl Wire for Sse {
    fn nodes(&self) -> usize {
        self.clients.len()
    }

    fn open<'a>(&'a mut self, node: usize, cursor: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
            self.watch = Some(self.clients[node].watch(cursor, "").await?);
            Ok(())
        }
        .boxed()
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Told>> {
        async move {
            let change = self.watch.as_mut().context("no watch")?.next(SILENCE).await?;
            let row = change.resource_id().map(str::to_owned).zip(change.sequence());
            let is_transition = change.kind == "transition";
            Ok(Told { cursor: change.cursor.unwrap_or_default(), is_transition, row })
        }
        .boxed()
    }
}

/// Messages of gRPC.
pub(crate) struct Grpc {
    urls: Vec<String>,
    watch: Option<Streaming<api::WatchMessage>>,
}

impl Grpc {
    pub(crate) fn new(urls: Vec<String>) -> Self {
        Self { urls, watch: None }
    }
}

impl Wire for Grpc {
    fn nodes(&self) -> usize {
        self.urls.len()
    }

    fn open<'a>(&'a mut self, node: usize, cursor: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let channel = Channel::from_shared(self.urls[node].clone())?.connect().await?;
            let asked = v1::WatchResourcesRequest { cursor: cursor.to_owned(), filter: None };
            let watch = ResourceServiceClient::new(channel).watch_resources(asked).await?;
            self.watch = Some(watch.into_inner());
            Ok(())
        }
        .boxed()
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Told>> {
        async move {
            let watch = self.watch.as_mut().context("no watch")?;
            let message = tokio::time::timeout(SILENCE, watch.message()).await??;
            let message = message.context("the watch has ended")?;
            let row = match &message.resource {
                None => None,
                Some(bytes) => {
                    let resource = v1::Resource::decode(bytes.clone())?;
                    Some((resource.resource_id, resource.sequence))
                }
            };
            let is_transition = message.kind() == WatchKind::Transition;
            Ok(Told { cursor: message.cursor, is_transition, row })
        }
        .boxed()
    }
}
