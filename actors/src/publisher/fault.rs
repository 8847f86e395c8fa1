//! Why a session of a publisher ends.

use std::time::Duration;

use model::{Offset, ShardId};
use raft::{ProposeError, ReadError};

use crate::sink::SinkError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("{sink} has not answered for {} s; it is asked again", .waited.as_secs())]
    Hung { sink: String, waited: Duration },
    #[error("{sink} says it holds offset {held} of shard {shard}, of which it was sent {sent}")]
    NeverSent { sink: String, shard: ShardId, held: Offset, sent: Offset },
    #[error(
        "{sink} holds shard {shard} up to offset {held}, the shard itself ends at {head}: it has \
         lost acknowledged events; restore the data directory, or give the sink a fresh place"
    )]
    Ahead { sink: String, shard: ShardId, held: Offset, head: Offset },
    #[error("the outbox of shard {shard} lacks offset {offset}; restore the node's data directory")]
    Missing { shard: ShardId, offset: Offset },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error("shard {0} has no quorum, its cursor is not kept; it is tried again")]
    NoQuorum(ShardId),
    #[error(
        "another publisher of shard {shard} has begun, or the sink was reset; it is begun again"
    )]
    Outdated { shard: ShardId },
    #[error("the cursor was refused: {0}")]
    Cursor(String),
}
