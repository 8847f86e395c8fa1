//! How far a sink has acknowledged a shard, as it is replicated.

use serde::{Deserialize, Serialize};

use crate::Offset;

/// The cursor of one sink in one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkCursor<P> {
    /// Raised when a person resets the sink: messages of another epoch do not count.
    pub epoch: u64,
    /// Raised whenever a publisher begins: changes of another session do not count.
    pub session: u64,
    /// Everything up to here is acknowledged, or was passed over by a reset.
    pub offset: Offset,
    /// A message that the sink held then. Everything that is sent in this epoch beyond the offset
    /// comes after it. `None` where the sink has acknowledged nothing yet.
    pub position: Option<P>,
}

/// What may become of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change<P> {
    /// A publisher begins, and has read the cursor as this session left it.
    Take {
        /// The session that it follows.
        after: u64,
    },
    /// A session says how far the sink reaches: further on, or back, where it has lost something.
    /// The next may be proposed when the outcome of this one is known.
    Tell {
        /// The session.
        session: u64,
        /// Everything up to here is held.
        offset: Offset,
        /// See [`SinkCursor::position`].
        position: Option<P>,
    },
    /// A person says from where on everything is sent again, or what is passed over. The position
    /// stays as the witness of what the sink held.
    Reset {
        /// Everything up to here counts as acknowledged.
        offset: Offset,
    },
}

/// A change that came too late: another session has begun since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("session {0} of the sink's cursor is over")]
pub struct Outdated(pub u64);

/// That of a sink from which everything is missing.
impl<P> Default for SinkCursor<P> {
    fn default() -> Self {
        Self { epoch: 0, session: 0, offset: Offset(0), position: None }
    }
}

impl<P> SinkCursor<P> {
    /// Makes a change, in the order of the shard's log.
    ///
    /// # Errors
    /// It is of a session that is over, and nothing has changed.
    pub fn change(&mut self, change: Change<P>) -> Result<(), Outdated> {
        match change {
            Change::Take { after: session } | Change::Tell { session, .. }
                if session != self.session =>
            {
                return Err(Outdated(session));
            }
            Change::Take { .. } => self.session += 1,
            Change::Tell { offset, position, .. } => {
                (self.offset, self.position) = (offset, position);
            }
            Change::Reset { offset } => {
                (self.epoch, self.session, self.offset) =
                    (self.epoch + 1, self.session + 1, offset);
            }
        }
        Ok(())
    }
}
