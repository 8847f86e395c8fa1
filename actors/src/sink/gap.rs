//! What a sink is told of events that retention took before it could have them.

use model::{Offset, ShardId, WallTime, event::ClusterIdentity};
use serde_json::{Value, json};
use uuid::Uuid;

/// The CloudEvents type of a gap.
pub(crate) const GAP_TYPE: &str = "io.bellwether.infrastructure.gap.v1";

/// A run of offsets that will never come (SEMANTICS 9). It counts as present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first offset that is missing.
    pub from: Offset,
    /// The last offset that is missing; the gap's own place in the shard's order.
    pub to: Offset,
    /// When it was noticed, by the node's clock.
    pub time: WallTime,
}

impl Gap {
    /// How many events are missing.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1)
    }

    /// The gap in CloudEvents 1.0 JSON format, with the attributes that place an event.
    #[must_use]
    pub fn to_cloudevent(&self, shard: ShardId, cluster: &ClusterIdentity) -> Value {
        json!({
            "specversion": "1.0",
            "id": gap_id(cluster, shard, self.to),
            "source": format!("//{}/shard/{shard}", cluster.name),
            "type": GAP_TYPE,
            "time": self.time,
            "datacontenttype": "application/json",
            "clusterid": cluster.id,
            "clusterincarnation": cluster.incarnation.to_string(),
            "shard": shard.0,
            "offset": self.to.to_string(),
            "data": { "shard": shard.0, "from": self.from.0, "to": self.to.0 },
        })
    }
}

/// A gap's id, made as an event's is: UUIDv5 (RFC 9562) in the namespace of the cluster's id.
/// `gap` cannot be taken for a resource, because no resource has a sequence without a number.
pub(crate) fn gap_id(cluster: &ClusterIdentity, shard: ShardId, to: Offset) -> Uuid {
    let name = format!("{}/gap/{shard}/to-{to}", cluster.incarnation);
    Uuid::new_v5(&cluster.id, name.as_bytes())
}
