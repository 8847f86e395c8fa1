//! One shard's way to the file.

use futures_util::future::{BoxFuture, FutureExt, pending};
use model::{Offset, ShardId};
use raft::SinkCursor;

use super::{Answered, FileSink};
use crate::sink::{Batch, Connection, Held, Reach, SinkError};

/// See the module.
pub(super) struct FileConnection<'a> {
    sink: &'a FileSink,
    shard: ShardId,
    /// What the writer was handed, and has not answered: one batch at most, because the writer
    /// would go on with the next where this one has failed.
    waiting: Option<Answered<Offset>>,
    /// An answer that nobody has asked for yet.
    answer: Option<Held>,
}

impl<'a> FileConnection<'a> {
    pub(super) fn new(sink: &'a FileSink, shard: ShardId) -> Self {
        Self { sink, shard, waiting: None, answer: None }
    }

    async fn answered(&mut self) -> Result<Held, SinkError> {
        let Some(waiting) = &mut self.waiting else { return pending().await };
        let answered = waiting.await;
        self.waiting = None;
        self.sink.answered(answered).map(held)
    }
}

impl Connection for FileConnection<'_> {
    /// SEMANTICS 11: the later of the cursor and the file's own tail. What lies between the
    /// two stands in the files of other nodes.
    fn read<'a>(&'a mut self, cursor: &'a SinkCursor) -> BoxFuture<'a, Result<Reach, SinkError>> {
        async move {
            let own = self.sink.tail(self.shard).await?.unwrap_or_default();
            Ok(Reach { held: held(own.max(cursor.offset)), lost: false })
        }
        .boxed()
    }

    fn send<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<(), SinkError>> {
        async move {
            if self.waiting.is_some() {
                self.answer = Some(self.answered().await?);
            }
            self.waiting = Some(self.sink.hand_over(batch).await?);
            Ok(())
        }
        .boxed()
    }

    fn receipt(&mut self) -> BoxFuture<'_, Result<Held, SinkError>> {
        async move {
            match self.answer.take() {
                Some(held) => Ok(held),
                None => self.answered().await,
            }
        }
        .boxed()
    }
}

/// A file has no name for a place in it that outlives its rotation.
fn held(offset: Offset) -> Held {
    Held { offset, position: None }
}
