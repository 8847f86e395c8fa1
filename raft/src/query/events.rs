//! The event history: of one resource, and of a shard's outbox.

use std::{io, ops::ControlFlow};

use model::{Offset, ResourceId, Sequence, ShardId};

use super::{Consistency, OutboxPage, Read};
use crate::{
    disk::{Space, View},
    error::ReadError,
    node::Shards,
    state::{OutboxRecord, SinkCursor},
    store::{
        keys::{Keys, Kind, after as after_prefix},
        record::decode,
    },
};

impl Shards {
    /// The events of a resource's present incarnation after a sequence, oldest first. `None`
    /// where there is no such resource.
    ///
    /// # Errors
    /// The shard does not answer, or a record is damaged.
    pub async fn events(
        &self,
        id: &ResourceId,
        after: Sequence,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Option<Vec<OutboxRecord>>>, ReadError> {
        let group = self.group(self.shard_of(id));
        group.prepare(consistency).await?;
        let served = self.served(consistency, &[group]);
        let replica = &group.replica;
        let life = replica.state.read().resources.get(id).map(|r| r.identity.incarnation);
        let value = match life {
            None => None,
            Some(life) => {
                let from = replica.keys.event(id, life, after.0.saturating_add(1));
                let offsets = offsets(replica.disk.as_ref(), replica.keys, id, &from, limit);
                let offsets = offsets.map_err(corrupt)?;
                Some(stored(replica.disk.as_ref(), replica.keys, &offsets).map_err(corrupt)?)
            }
        };
        Ok(Read { value, revision: replica.revision(), served, missing: Vec::new() })
    }

    /// A shard's committed events after an offset.
    ///
    /// # Errors
    /// A record is damaged.
    pub async fn outbox(
        &self,
        shard: ShardId,
        after: Offset,
        limit: usize,
    ) -> Result<OutboxPage, ReadError> {
        let replica = &self.group(shard).replica;
        let (floor, head) = {
            let state = replica.state.read();
            (state.head.outbox_floor, state.head.outbox_head)
        };
        if after >= head {
            return Ok(OutboxPage { events: Vec::new(), floor, head });
        }
        let from = replica.keys.number(Kind::Outbox, after.0.saturating_add(1));
        let to = replica.keys.number(Kind::Outbox, head.0.saturating_add(1));
        let mut events = Vec::new();
        let mut outcome = Ok(());
        let scanned = replica.disk.scan(
            Space::State,
            &from,
            &to,
            &mut |key, bytes| match decode::<OutboxRecord>(key, bytes) {
                Ok(record) if events.len() < limit => {
                    events.push(record.event);
                    ControlFlow::Continue(())
                }
                Ok(_) => ControlFlow::Break(()),
                Err(damaged) => {
                    outcome = Err(damaged);
                    ControlFlow::Break(())
                }
            },
        );
        scanned.and(outcome.map_err(Into::into)).map_err(corrupt)?;
        Ok(OutboxPage { events, floor, head })
    }

    /// How far a sink has acknowledged a shard.
    #[must_use]
    pub fn sink_cursor(&self, shard: ShardId, sink: &str) -> Option<SinkCursor> {
        self.group(shard).replica.state.read().sinks.get(sink).cloned()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
pub(super) fn corrupt(error: io::Error) -> ReadError {
    ReadError::Corrupt(error.to_string())
}

fn offsets(
    view: &dyn View,
    keys: Keys,
    id: &ResourceId,
    from: &[u8],
    limit: usize,
) -> io::Result<Vec<u64>> {
    let to = after_prefix(&keys.resource(Kind::EventIndex, id));
    let (mut found, mut outcome) = (Vec::new(), Ok(()));
    view.scan(Space::State, from, &to, &mut |key, bytes| match decode::<u64>(key, bytes) {
        Ok(offset) if found.len() < limit => {
            found.push(offset);
            ControlFlow::Continue(())
        }
        Ok(_) => ControlFlow::Break(()),
        Err(damaged) => {
            outcome = Err(damaged);
            ControlFlow::Break(())
        }
    })?;
    outcome?;
    Ok(found)
}

/// The events at these offsets; those that retention has taken meanwhile are left out.
fn stored(view: &dyn View, keys: Keys, offsets: &[u64]) -> io::Result<Vec<OutboxRecord>> {
    let mut events = Vec::with_capacity(offsets.len());
    for offset in offsets {
        let key = keys.number(Kind::Outbox, *offset);
        if let Some(bytes) = view.get(Space::State, &key)? {
            events.push(decode::<OutboxRecord>(&key, &bytes)?);
        }
    }
    Ok(events)
}
