//! What the world is told: events, and their CloudEvents form.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Generation, Health, HealthStatus, Incarnation, Metrics, Offset, ResourceId, ResourceType,
    Revision, Sequence, ShardId, Term, WallTime, health::Input,
};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A resource came to be; always sequence 1 of its incarnation.
    Declared,
    /// Its shown health changed.
    StatusUpdated,
    /// It is gone; always the last of its incarnation.
    Removed,
}

impl EventKind {
    /// The CloudEvents type.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Declared => "io.bellwether.infrastructure.resource.declared.v1",
            Self::StatusUpdated => "io.bellwether.infrastructure.status.updated.v1",
            Self::Removed => "io.bellwether.infrastructure.resource.removed.v1",
        }
    }
}

/// One published event. Everything in it is fixed by the entry that decided it, so that a
/// repeat is the same byte for byte (SEMANTICS 8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What it tells.
    pub kind: EventKind,
    /// Of which resource.
    pub resource_id: ResourceId,
    /// Of which type.
    pub resource_type: ResourceType,
    /// Which life of the id.
    pub incarnation: Incarnation,
    /// The place among the resource's events.
    pub sequence: Sequence,
    /// The shard that decided it.
    pub shard: ShardId,
    /// The place in the shard's outbox.
    pub offset: Offset,
    /// The term of the entry that decided it.
    pub term: Term,
    /// The log index of that entry.
    pub revision: Revision,
    /// When, by the leader's clock.
    pub time: WallTime,
    /// The health from now on.
    pub status: HealthStatus,
    /// The health before; absent where there was none.
    pub previous: Option<HealthStatus>,
    /// Why.
    pub reason: String,
    /// The measurements it was decided with.
    pub metrics: Metrics,
    /// The parent on whose account nobody is paged.
    pub suppressed_by: Option<(ResourceId, Revision)>,
    /// What it was decided from, for replay.
    pub decided_from: Option<Box<DecidedFrom>>,
}

/// The inputs of a decision (SEMANTICS 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecidedFrom {
    /// What happened.
    pub input: Input,
    /// The state before.
    pub prior: Health,
    /// The declaration in force.
    pub generation: Generation,
    /// The configuration in force.
    pub config_version: u64,
}

/// Which cluster speaks: part of every event's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// Assigned when the cluster is founded.
    pub id: Uuid,
    /// Raised when it is restored from a backup or a minority (SEMANTICS 12).
    pub incarnation: u64,
    /// The name that its people gave it.
    pub name: String,
}

impl Event {
    /// The id that a consumer deduplicates by: UUIDv5 (RFC 9562) in the namespace of the
    /// cluster's id, of cluster incarnation, resource, incarnation and sequence (SEMANTICS 8).
    #[must_use]
    pub fn id(&self, cluster: &ClusterIdentity) -> Uuid {
        let name = format!(
            "{}/{}/{}/{}",
            cluster.incarnation, self.resource_id, self.incarnation, self.sequence
        );
        Uuid::new_v5(&cluster.id, name.as_bytes())
    }

    /// The event in CloudEvents 1.0 JSON format.
    #[must_use]
    pub fn to_cloudevent(&self, cluster: &ClusterIdentity) -> Value {
        let id = self.id(cluster);
        json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("//{}/shard/{}", cluster.name, self.shard),
            "type": self.kind.type_name(),
            "subject": self.resource_id,
            "time": self.time,
            "datacontenttype": "application/json",
            "sequence": self.sequence.to_string(),
            "incarnation": self.incarnation.to_string(),
            "clusterid": cluster.id,
            "clusterincarnation": cluster.incarnation.to_string(),
            "shard": self.shard.0,
            "offset": self.offset.to_string(),
            "term": self.term.to_string(),
            "revision": self.revision.to_string(),
            "data": self.data(id),
        })
    }

    fn data(&self, id: Uuid) -> Value {
        json!({
            "event_id": id,
            "timestamp": self.time,
            "infrastructure_status": {
                "resource_id": self.resource_id,
                "resource_type": self.resource_type,
                "health_status": self.status,
                "previous_status": self.previous,
                "reason": self.reason,
                "metrics": {
                    "cpu_usage_percent": self.metrics.cpu_usage_percent,
                    "memory_usage_percent": self.metrics.memory_usage_percent,
                    "pod_count": self.metrics.pod_count.unwrap_or(0),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64) -> Event {
        Event {
            kind: EventKind::StatusUpdated,
            resource_id: "host:n1".parse().unwrap(),
            resource_type: ResourceType::Host,
            incarnation: Incarnation { index: 7, position: 0 },
            sequence: Sequence(sequence),
            shard: ShardId(3),
            offset: Offset(9),
            term: Term(2),
            revision: Revision(41),
            time: WallTime(0),
            status: HealthStatus::Warning,
            previous: Some(HealthStatus::Healthy),
            reason: "cpu_usage_percent 91.2 above 85".to_owned(),
            metrics: Metrics { cpu_usage_percent: Some(91.2), ..Metrics::default() },
            suppressed_by: None,
            decided_from: None,
        }
    }

    fn cluster(incarnation: u64) -> ClusterIdentity {
        ClusterIdentity { id: Uuid::from_u128(1), incarnation, name: "home".to_owned() }
    }

    #[test]
    fn semantics_8_an_event_id_names_cluster_life_resource_life_and_sequence() {
        let first = event(1).id(&cluster(1));
        assert_eq!(first, event(1).id(&cluster(1)));
        assert_ne!(first, event(2).id(&cluster(1)));
        assert_ne!(first, event(1).id(&cluster(2)));
    }

    #[test]
    fn the_payload_is_the_contracts() {
        let json = event(1).to_cloudevent(&cluster(1));
        assert_eq!(json["source"], "//home/shard/3");
        assert_eq!(json["clusterid"], Uuid::from_u128(1).to_string());
        assert_eq!(json["data"]["event_id"], json["id"]);
        let status = &json["data"]["infrastructure_status"];
        assert_eq!(status["health_status"], "WARNING");
        assert_eq!(status["metrics"]["pod_count"], 0);
        assert_eq!(status["metrics"]["memory_usage_percent"], Value::Null);
    }
}
