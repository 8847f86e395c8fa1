//! The attributes that place an event and name its cluster, as a sink holds them.

use std::borrow::Cow;

use model::{Offset, ShardId, event::ClusterIdentity};
use serde::Deserialize;
use uuid::Uuid;

use super::gap::{GAP_TYPE, gap_id};

/// See the module. Absent ones are empty where a gap has none.
#[derive(Debug, Deserialize)]
pub(super) struct Attributes<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) subject: String,
    #[serde(default)]
    pub(super) incarnation: String,
    #[serde(default)]
    pub(super) sequence: String,
    #[serde(borrow)]
    pub(super) clusterincarnation: Cow<'a, str>,
    pub(super) shard: u32,
    #[serde(borrow)]
    pub(super) offset: Cow<'a, str>,
}

impl Attributes<'_> {
    /// Its place, if it is of this life of this cluster (SEMANTICS 12). The source only has the
    /// cluster's name, which a cluster founded anew may share; the id is made from the cluster's own
    /// id.
    pub(super) fn place(&self, cluster: &ClusterIdentity) -> Option<(ShardId, Offset)> {
        if self.clusterincarnation != cluster.incarnation.to_string() {
            return None;
        }
        let (shard, offset) = (ShardId(self.shard), Offset(self.offset.parse().ok()?));
        let id = self.id.parse::<Uuid>().ok()?;
        (id == self.expected_id(cluster, shard, offset)).then_some((shard, offset))
    }

    pub(super) fn is_gap(&self) -> bool {
        self.kind == GAP_TYPE
    }

    /// As [`model::event::Event::id`] makes it.
    fn expected_id(&self, cluster: &ClusterIdentity, shard: ShardId, offset: Offset) -> Uuid {
        if self.is_gap() {
            return gap_id(cluster, shard, offset);
        }
        let Self { clusterincarnation, subject, incarnation, sequence, .. } = self;
        let name = format!("{clusterincarnation}/{subject}/{incarnation}/{sequence}");
        Uuid::new_v5(&cluster.id, name.as_bytes())
    }
}
