//! The file sink: the events of the shards that this node led, one CloudEvent a line.
//!
//! Invariants (SEMANTICS 11): a line is complete or not there; an acknowledged line was
//! synced; no offset of a shard stands twice in the file and those it was rotated to.

mod archive;
mod journal;
mod line;
mod lock;
mod medium;
mod scan;
mod store;
mod writer;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use model::{ShardId, event::ClusterIdentity};
use parking_lot::Mutex;
use raft::SinkCursor;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
};

use self::{
    line::encode,
    medium::{Medium, System},
    store::Store,
    writer::{Append, Request},
};
use super::{Batch, EventSink, Held, SinkError};

/// Where a file sink writes, and how much it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The sink's name.
    pub name: String,
    /// The file. Rotated files stand beside it, numbered: `events.000001.jsonl`.
    pub path: PathBuf,
    /// The size in bytes that the file does not outgrow, unless one batch is larger.
    pub rotate_bytes: u64,
    /// How many rotated files are kept, at least 1.
    pub keep: usize,
}

impl FileSettings {
    /// The usual settings: 128 MiB a file, 8 rotated files.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into(), rotate_bytes: 128 << 20, keep: 8 }
    }
}

/// See the module. All shards of a node share one, and with it each fsync.
pub struct FileSink {
    name: String,
    cluster: ClusterIdentity,
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    ended: watch::Receiver<()>,
}

impl FileSink {
    /// Locks and reads the file, cuts off what a crash left half written, and starts the
    /// thread that writes.
    ///
    /// # Errors
    /// Another sink writes there, the file holds something else, or it cannot be written.
    pub async fn open(settings: FileSettings, cluster: ClusterIdentity) -> Result<Self, SinkError> {
        Self::open_on(settings, cluster, Arc::new(System)).await
    }

    async fn open_on(
        settings: FileSettings,
        cluster: ClusterIdentity,
        medium: Arc<dyn Medium>,
    ) -> Result<Self, SinkError> {
        let (name, path) = (settings.name.clone(), settings.path.clone());
        let identity = cluster.clone();
        let opened = spawn_blocking(move || Store::open(settings, identity, medium)).await;
        let store = opened.unwrap_or_else(|_| Err(SinkError::Closed(name.clone())))?;
        let started = writer::start(store);
        let (queue, ended) = started.map_err(|error| SinkError::io(&path, &error))?;
        Ok(Self { name, cluster, queue: Mutex::new(Some(queue)), ended })
    }

    /// Writes what was handed over, then gives the file free. The sink takes nothing more.
    pub async fn close(&self) {
        self.queue.lock().take();
        let mut ended = self.ended.clone();
        // The thread never sends: the channel closes when it ends.
        while ended.changed().await.is_ok() {}
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, SinkError> {
        let closed = || SinkError::Closed(self.name.clone());
        let queue = self.queue.lock().clone().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        queue.send(request(answer)).await.map_err(|_| closed())?;
        drop(queue);
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// Where the writer's thread answers.
type Answer<T> = oneshot::Sender<Result<T, SinkError>>;

impl EventSink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "file"
    }

    /// SEMANTICS 11: the later of the cursor and the file's own tail. What lies between the
    /// two stands in the files of other nodes.
    fn tail<'a>(
        &'a self,
        shard: ShardId,
        cursor: Option<&'a SinkCursor>,
    ) -> BoxFuture<'a, Result<Option<Held>, SinkError>> {
        Box::pin(async move {
            let own = self.ask(|answer| Request::Tail { shard, answer }).await?;
            let offset = own.max(cursor.map(|cursor| cursor.offset));
            Ok(offset.map(|offset| Held { offset, position: String::new() }))
        })
    }

    fn append<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Held, SinkError>> {
        Box::pin(async move {
            let lines = encode(batch, &self.cluster);
            let shard = batch.shard;
            self.ask(|answer| Request::Append(Append { shard, lines, answer })).await
        })
    }
}
