//! The file sink: the events of the shards that this node led, one CloudEvent a line.
//!
//! Invariants (SEMANTICS 11): a line is complete or not there; an acknowledged line was
//! synced; no offset of a shard stands twice in the file and those it was rotated to.

mod archive;
mod connection;
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

use futures_util::future::{BoxFuture, FutureExt, ready};
use model::{Offset, ShardId, event::ClusterIdentity};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, oneshot::error::RecvError, watch},
    task::spawn_blocking,
};

use self::{
    connection::FileConnection,
    line::encode,
    medium::{Medium, System},
    store::Store,
    writer::{Append, Request},
};
use super::{Batch, Connection, EventSink, SinkError};

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

    /// The last offset that the file holds of a shard.
    async fn tail(&self, shard: ShardId) -> Result<Option<Offset>, SinkError> {
        let asked = self.ask(|answer| Request::Tail { shard, answer }).await?;
        self.answered(asked.await)
    }

    /// Hands a batch over to the writer.
    async fn hand_over(&self, batch: &Batch) -> Result<Answered<Offset>, SinkError> {
        let (shard, lines) = (batch.shard, encode(batch, &self.cluster));
        self.ask(|answer| Request::Append(Append { shard, lines, answer })).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<Answered<T>, SinkError> {
        let queue = self.queue.lock().clone().ok_or_else(|| self.closed())?;
        let (answer, answered) = oneshot::channel();
        queue.send(request(answer)).await.map_err(|_| self.closed())?;
        Ok(answered)
    }

    fn answered<T>(
        &self,
        answered: Result<Result<T, SinkError>, RecvError>,
    ) -> Result<T, SinkError> {
        answered.unwrap_or_else(|_| Err(self.closed()))
    }

    fn closed(&self) -> SinkError {
        SinkError::Closed(self.name.clone())
    }
}

/// Where the writer's thread answers, and where its answer is waited for.
type Answer<T> = oneshot::Sender<Result<T, SinkError>>;
type Answered<T> = oneshot::Receiver<Result<T, SinkError>>;

impl EventSink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "file"
    }

    fn can_be_reset(&self) -> bool {
        false
    }

    fn connect(
        &self,
        shard: ShardId,
    ) -> BoxFuture<'_, Result<Box<dyn Connection + '_>, SinkError>> {
        let connection: Box<dyn Connection + '_> = Box::new(FileConnection::new(self, shard));
        ready(Ok(connection)).boxed()
    }

    /// Gives the file free, too.
    fn close(&self) -> BoxFuture<'_, ()> {
        self.queue.lock().take();
        let mut ended = self.ended.clone();
        // The thread never sends: the channel closes when it ends.
        async move { while ended.changed().await.is_ok() {} }.boxed()
    }
}
