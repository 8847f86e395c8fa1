//! What a group knows: the replicated state, held in memory as it is stored.
//!
//! Invariant: memory and store say the same after every batch; indexes and timers follow from
//! the rows and are rebuilt when a group is loaded.

mod index;
mod latest;
mod load;
mod requests;
mod timers;

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Millis, Miss, NodeId, Offset, Resource, ResourceId, ResourceSpec, ShardTime, Term, WallTime,
    cursor::Position,
    event::{ClusterIdentity, Event},
    maintenance::{Maintenance, ShardMaintenance},
};
use serde::{Deserialize, Serialize};

use crate::{
    command::{ConfigDocument, Stamp},
    nodes::NodeRecord,
    store::record::Record,
};
pub(crate) use index::Index;
pub(crate) use latest::{Latest, place_of};
pub(crate) use load::{StoredSpec, load, verify};
pub(crate) use requests::{Requests, StoredRequest};
pub(crate) use timers::{TimerKey, Timers};

/// Time, term, counters and floors of a group: one small record that every batch rewrites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The cluster; absent until the group is founded.
    pub(crate) cluster: Option<ClusterIdentity>,
    /// How many shards the cluster has.
    pub(crate) shards: u32,
    /// The group's own time.
    pub(crate) time: ShardTime,
    /// The wall clock of the last entry, which never runs backwards.
    pub(crate) wall: WallTime,
    /// The term in force, and when it began.
    pub(crate) term: Term,
    pub(crate) term_began: ShardTime,
    /// The leader's clocks at the last entry.
    pub(crate) stamp: Option<Stamp>,
    /// Why slots of a leaderless gap are missed.
    pub(crate) gap: Miss,
    /// The last offset of the outbox, and the first that is kept.
    pub(crate) outbox_head: Offset,
    pub(crate) outbox_floor: Offset,
    /// Changes at or before this position are not kept any more.
    pub(crate) change_floor: Position,
    /// How many bytes of changes are kept, about.
    pub(crate) change_bytes: u64,
    /// When old records were last looked for.
    pub(crate) trimmed_at: ShardTime,
    /// The configuration version in force.
    pub(crate) config_version: u64,
    /// The rules that decide health; raised with the feature level (SEMANTICS 3).
    pub(crate) rules_version: u32,
}

impl Record for Head {
    const VERSION: u8 = 1;
}

impl Default for Head {
    fn default() -> Self {
        Self {
            cluster: None,
            shards: 0,
            time: ShardTime(0),
            wall: WallTime(0),
            term: Term(0),
            term_began: ShardTime(0),
            stamp: None,
            gap: Miss::Restart,
            outbox_head: Offset(0),
            outbox_floor: Offset(1),
            change_floor: Position::default(),
            change_bytes: 0,
            trimmed_at: ShardTime(0),
            config_version: 0,
            rules_version: 1,
        }
    }
}

/// An event and when it was decided, in shard time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// When, in shard time: retention and hold times count from here.
    pub at: ShardTime,
    /// The event.
    pub event: Event,
}

impl Record for OutboxRecord {
    const VERSION: u8 = 1;
}

/// How far a sink has acknowledged a shard's outbox (SEMANTICS 9). The position is the sink's own
/// name for that place.
pub type SinkCursor = model::delivery::SinkCursor<String>;

/// A cursor before there were sessions.
#[derive(Deserialize)]
struct SinkCursorV1 {
    epoch: u64,
    offset: Offset,
    position: String,
}

impl Record for SinkCursor {
    const VERSION: u8 = 2;

    fn migrate(version: u8, bytes: &[u8]) -> Option<Self> {
        let former = (version == 1).then(|| postcard::from_bytes(bytes).ok())??;
        let SinkCursorV1 { epoch, offset, position } = former;
        let position = Some(position).filter(|position| !position.is_empty());
        Some(Self { epoch, session: 0, offset, position })
    }
}

/// A maintenance window in `meta`: the highest version per name counts, deletions included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetaMaintenance {
    pub(crate) version: u64,
    pub(crate) window: Option<Maintenance>,
}

impl Record for MetaMaintenance {
    const VERSION: u8 = 1;
}

impl Record for ShardMaintenance {
    const VERSION: u8 = 1;
}

/// A configuration document and when it was adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredConfig {
    pub(crate) version: u64,
    pub(crate) loaded_at: WallTime,
    pub(crate) document: ConfigDocument,
}

impl Record for StoredConfig {
    const VERSION: u8 = 1;
}

/// All that a group knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) head: Head,
    /// The last applied log index; what is in memory goes exactly this far.
    pub(crate) applied: u64,
    pub(crate) resources: BTreeMap<ResourceId, Arc<Resource>>,
    pub(crate) index: Index,
    pub(crate) latest: Latest,
    pub(crate) timers: Timers,
    pub(crate) maintenance: BTreeMap<String, ShardMaintenance>,
    pub(crate) sinks: BTreeMap<String, SinkCursor>,
    pub(crate) requests: Requests,
    /// Parts of configurations that are not adopted yet, by version and part.
    pub(crate) staged: BTreeMap<(u64, u32), Vec<ResourceSpec>>,
    pub(crate) meta_maintenance: BTreeMap<String, MetaMaintenance>,
    pub(crate) config: Option<StoredConfig>,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
}

impl State {
    /// The name of the maintenance window that holds for a resource now; the first by name.
    pub(crate) fn window_for(&self, resource: &Resource) -> Option<&str> {
        let (now, id, labels) = (self.head.time, resource.id(), &resource.spec.labels);
        self.maintenance
            .iter()
            .find(|(_, window)| window.holds(now, id, labels))
            .map(|(name, _)| name.as_str())
    }

    /// When a resource becomes UNKNOWN if nothing is heard of it.
    ///
    /// A term's first command moves this behind the catch-up probe, so that a leaderless gap
    /// makes nothing UNKNOWN by itself (SEMANTICS 2).
    pub(crate) fn stale_at(&self, resource: &Resource) -> Option<ShardTime> {
        if resource.state.health.beneath() == model::HealthStatus::Unknown {
            return None;
        }
        let spec = &resource.spec;
        let by_silence = resource.state.heard.plus(spec.policy.stale_after);
        let catch_up = spec.slot_interval().0.saturating_add(spec.timeout.0);
        Some(by_silence.max(self.head.term_began.plus(Millis(catch_up))))
    }
}
