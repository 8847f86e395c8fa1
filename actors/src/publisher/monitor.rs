//! A sink's health, as its publishers on this node find it.

use std::collections::BTreeMap;

use model::ShardId;
use parking_lot::Mutex;

use crate::sink::EventSink;

/// How a sink does, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SinkState {
    /// It takes events.
    Ok,
    /// It does not, and is tried again; nothing is lost.
    Retrying,
    /// Events are lost to it: retention has taken them, or the shard itself has lost them.
    Broken,
}

/// A sink and how it does: the worst of the shards that this node leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkHealth {
    /// The sink's name.
    pub name: String,
    /// What kind it is.
    pub kind: &'static str,
    /// Whether a person may say from where on it is sent events.
    pub can_be_reset: bool,
    /// How it does.
    pub state: SinkState,
    /// What last went wrong, also where it is well again.
    pub last_error: Option<String>,
}

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
        let found = self.found.lock();
        let worst = found.shards.values().max_by_key(|(state, _)| *state);
        let state = worst.map_or(SinkState::Ok, |(state, _)| *state);
        let error = worst.map(|(_, error)| error.clone());
        let last_error = error.or_else(|| found.last_error.clone());
        let Self { name, kind, can_be_reset, .. } = self;
        let (kind, can_be_reset) = (*kind, *can_be_reset);
        SinkHealth { name: name.clone(), kind, can_be_reset, state, last_error }
    }

    pub(super) fn report(&self, shard: ShardId, state: SinkState, error: String) {
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
