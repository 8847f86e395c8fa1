//! What the tests of sinks and publishers share: events, batches, clusters.

use model::{
    HealthStatus, Incarnation, Metrics, Offset, ResourceType, Revision, Sequence, ShardId, Term,
    WallTime,
    event::{ClusterIdentity, Event, EventKind},
};
use uuid::Uuid;

use super::{Batch, EventSink, Held, SinkError};

/// A cluster; those with other numbers have the same name.
pub(crate) fn cluster(number: u128, incarnation: u64) -> ClusterIdentity {
    ClusterIdentity { id: Uuid::from_u128(number), incarnation, name: "home".to_owned() }
}

/// The event at an offset of a shard.
pub(crate) fn event(shard: u32, offset: u64) -> Event {
    Event {
        kind: EventKind::StatusUpdated,
        resource_id: format!("host:n{}", offset % 7).parse().expect("a valid id"),
        resource_type: ResourceType::Host,
        incarnation: Incarnation { index: 7, position: 0 },
        sequence: Sequence(offset),
        shard: ShardId(shard),
        offset: Offset(offset),
        term: Term(2),
        revision: Revision(offset + 40),
        time: WallTime(0),
        status: HealthStatus::Warning,
        previous: Some(HealthStatus::Healthy),
        reason: "cpu_usage_percent 91.2 above 85".to_owned(),
        metrics: Metrics { cpu_usage_percent: Some(91.2), ..Metrics::default() },
        suppressed_by: None,
        decided_from: None,
    }
}

/// The events at some offsets of a shard.
pub(crate) fn batch(shard: u32, offsets: impl IntoIterator<Item = u64>) -> Batch {
    let events = offsets.into_iter().map(|offset| event(shard, offset)).collect();
    Batch { shard: ShardId(shard), gap: None, events }
}

/// Has a sink hold a batch, over a connection of its own.
pub(crate) async fn append(sink: &dyn EventSink, batch: &Batch) -> Result<Held, SinkError> {
    let mut connection = sink.connect(batch.shard).await?;
    connection.send(batch).await?;
    connection.receipt().await
}
