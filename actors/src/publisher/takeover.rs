//! What a session does before it sends anything (decision 16): it opens a connection, ends the say
//! that former sessions have in the cursor, and then reads what the sink holds.

use std::{future::Future, time::Duration};

use model::{Offset, delivery::Change};
use raft::SinkCursor;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Publisher, fault::Fault};
use crate::sink::{Connection, Held, Reach, SinkError};

/// How long a sink may take to open a connection before it counts as hung, and to be read, where one
/// that says nothing ends by itself.
const OPEN: Duration = Duration::from_secs(30);
const READ: Duration = Duration::from_secs(3_600);

/// A session that may send.
pub(super) struct Begun<'a> {
    pub(super) connection: Box<dyn Connection + 'a>,
    /// As the session was given it, or has told it since.
    pub(super) cursor: SinkCursor,
    pub(super) held: Held,
}

impl Publisher {
    pub(super) async fn take_over(&self) -> Result<Begun<'_>, Fault> {
        let mut connection = match self.within(OPEN, self.sink.connect(self.shard)).await {
            Ok(connection) => connection,
            Err(fault) => {
                self.begin_all_the_same().await?;
                return Err(fault);
            }
        };
        let mut cursor = self.take(connection.as_mut()).await?;
        let Reach { held, lost } = self.within(READ, connection.read(&cursor)).await?;
        self.is_possible(held.offset).await?;
        if lost {
            let (shard, sink, offset) = (self.shard, self.sink.name(), held.offset);
            warn!(%shard, sink, %offset, cursor = %cursor.offset, "the sink has lost events that it had acknowledged; it is sent them again");
            let (session, position) = (cursor.session, held.position.clone());
            let told = Change::Tell { session, offset, position };
            cursor = self.target().change(Offset(0), told).await?;
        }
        let (shard, sink, session) = (self.shard, self.sink.name(), cursor.session);
        debug!(%shard, sink, session, offset = %held.offset, "goes on publishing after this offset");
        Ok(Begun { connection, cursor, held })
    }

    /// A sink that cannot be reached begins where it would have: what is decided meanwhile is for it,
    /// too.
    pub(super) async fn begin_all_the_same(&self) -> Result<(), Fault> {
        if self.target().cursor().is_none() {
            let from = self.usual_place().await?;
            self.target().change(from, Change::Take { after: 0 }).await?;
        }
        Ok(())
    }

    /// Where a sink begins that has no cursor and holds nothing.
    pub(super) async fn usual_place(&self) -> Result<Offset, Fault> {
        let page = self.shards.outbox(self.shard, Offset(0), 0).await?;
        let oldest = Offset(page.floor.0.saturating_sub(1));
        Ok(if self.from_start { oldest } else { page.head })
    }

    /// From here on no proposal of a former session changes the cursor, whenever it lands.
    async fn take(&self, connection: &mut (dyn Connection + '_)) -> Result<SinkCursor, Fault> {
        let (from, after) = match self.target().cursor() {
            Some(cursor) => (Offset(0), cursor.session),
            None => (self.first_place(connection).await?, 0),
        };
        self.target().change(from, Change::Take { after }).await
    }

    /// Where a sink begins that has no cursor: after what it holds all the same.
    async fn first_place(&self, connection: &mut (dyn Connection + '_)) -> Result<Offset, Fault> {
        let unknown = SinkCursor::default();
        let held = self.within(READ, connection.read(&unknown)).await?.held.offset;
        self.is_possible(held).await?;
        if held == Offset(0) { self.usual_place().await } else { Ok(held) }
    }

    /// A sink that holds more than was ever decided names other events than the shard does: no
    /// cursor may come of it.
    async fn is_possible(&self, held: Offset) -> Result<(), Fault> {
        let head = self.shards.outbox(self.shard, held, 0).await?.head;
        if held > head {
            let sink = self.sink.name().to_owned();
            return Err(Fault::Ahead { sink, shard: self.shard, held, head });
        }
        Ok(())
    }

    async fn within<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, Fault> {
        let hung = || Fault::Hung { sink: self.sink.name().to_owned(), waited: limit };
        Ok(timeout(limit, answer).await.map_err(|_| hung())??)
    }
}
