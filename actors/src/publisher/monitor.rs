//! A sink's health, as its publishers on this node find it.

use std::collections::BTreeMap;

use model::ShardId;
use parking_lot::Mutex;
use raft::{SinkHealth, SinkState};

use super::minute::LastMinute;
use crate::sink::EventSink;

/// What is shown of an error, in characters.
const ERROR: usize = 1_000;

/// Collects what the publishers of one sink find.
#[derive(Debug)]
pub struct SinkMonitor {
    name: String,
    kind: &'static str,
    can_be_reset: bool,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// Shards that are not well.
    shards: BTreeMap<ShardId, (SinkState, String)>,
    last_error: Option<String>,
    acknowledged: LastMinute,
}

impl SinkMonitor {
    /// For one sink; all is well until somebody says otherwise.
    #[must_use]
    pub fn new(sink: &dyn EventSink) -> Self {
        let name = sink.name().to_owned();
        let (kind, can_be_reset) = (sink.kind(), sink.can_be_reset());
        Self { name, kind, can_be_reset, found: Mutex::default() }
    }

    /// How the sink does now.
    #[must_use]
    pub fn health(&self) -> SinkHealth {
        let mut found = self.found.lock();
        let last_minute = found.acknowledged.total();
        let worst = found.shards.values().max_by_key(|(state, _)| *state);
        let state = worst.map_or(SinkState::Ok, |(state, _)| *state);
        let error = worst.map(|(_, error)| error.clone());
        let last_error = error.or_else(|| found.last_error.clone());
        let Self { name, kind, can_be_reset, .. } = self;
        let (name, kind) = (name.clone(), (*kind).to_owned());
        SinkHealth { name, kind, can_be_reset: *can_be_reset, state, last_error, last_minute }
    }

    pub(super) fn acknowledged(&self, events: u64) {
        self.found.lock().acknowledged.add(events);
    }

    pub(super) fn report(&self, shard: ShardId, state: SinkState, error: &str) {
        let error: String = error.chars().take(ERROR).collect();
        let mut found = self.found.lock();
        found.last_error = Some(error.clone());
        if state == SinkState::Ok {
            found.shards.remove(&shard);
        } else {
            found.shards.insert(shard, (state, error));
        }
    }

    pub(super) fn well(&self, shard: ShardId) {
        self.found.lock().shards.remove(&shard);
    }

    /// This node no longer publishes the shard, so it has nothing to say of it.
    pub(super) fn forget(&self, shard: ShardId) {
        self.well(shard);
    }
}
