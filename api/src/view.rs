//! A resource as the contract shows it.

mod metrics;
mod names;

use model::{
    HealthStatus, Incarnation, Labels, Millis, ResourceId, ResourceType, Revision, Sequence,
    ShardId, Term, WallTime,
};
use raft::Row;
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use metrics::MetricsView;
pub(crate) use names::{health_statuses, resource_types};

/// A resource: its declaration, its health and its last measurements.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InfrastructureResource)]
pub(crate) struct ResourceView<'a> {
    /// The name it is known by.
    #[schema(value_type = String, examples("host:n1"))]
    resource_id: &'a ResourceId,
    /// What kind of thing it is.
    #[schema(schema_with = resource_types)]
    resource_type: ResourceType,
    /// A name for people.
    name: &'a str,
    /// A Kubernetes namespace, or any other grouping.
    #[schema(required)]
    namespace: Option<&'a str>,
    /// The cluster that it is part of.
    #[schema(required)]
    cluster_id: Option<&'a str>,
    /// Labels for selectors.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: &'a Labels,
    /// Where it is.
    #[schema(required)]
    region: Option<&'a str>,
    /// HEALTHY, WARNING, CRITICAL, UNKNOWN or MAINTENANCE.
    #[schema(schema_with = health_statuses)]
    health_status: HealthStatus,
    /// Why.
    reason: String,
    /// What was measured last; null where it was not.
    metrics: MetricsView,
    /// When the accepted observation was made.
    #[schema(value_type = String, format = DateTime)]
    last_updated: WallTime,
    /// Since when the health holds.
    #[schema(value_type = String, format = DateTime)]
    health_since: WallTime,
    /// How many events of this incarnation were published.
    #[schema(value_type = u64)]
    sequence: Sequence,
    /// Which life of the id this is.
    #[schema(value_type = String, examples("4100.0"))]
    #[serde(serialize_with = "as_text")]
    incarnation: Incarnation,
    /// Which declaration is in force: `If-Match` compares it.
    generation: u64,
    /// When the row last changed.
    #[schema(value_type = u64)]
    revision: Revision,
    /// The shard that holds it.
    #[schema(value_type = u32)]
    shard: ShardId,
    /// The shard's term.
    #[schema(value_type = u64)]
    term: Term,
    /// Who declared it: `config`, `api` or a source's id.
    managed_by: String,
    /// What is checked.
    #[schema(value_type = Object)]
    check: Value,
    /// How often.
    #[schema(value_type = String, examples("10s"))]
    interval: Millis,
    /// Parents. They are read and checked for cycles; this version suppresses nothing by them.
    #[schema(value_type = Vec<String>)]
    depends_on: &'a [ResourceId],
    /// The parent that suppresses this one; absent in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed_by: Option<SuppressedBy<'a>>,
}

/// The parent that suppresses a resource.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuppressedBy<'a> {
    /// The parent.
    #[schema(value_type = String)]
    resource_id: &'a ResourceId,
    /// Its revision when that was decided.
    #[schema(value_type = u64)]
    revision: Revision,
}

impl<'a> ResourceView<'a> {
    pub(crate) fn of(row: &'a Row) -> Self {
        let (spec, state) = (&row.resource.spec, &row.resource.state);
        let identity = &row.resource.identity;
        Self {
            resource_id: &spec.id,
            resource_type: spec.resource_type,
            name: &spec.name,
            namespace: spec.namespace.as_deref(),
            cluster_id: spec.cluster_id.as_deref(),
            labels: &spec.labels,
            region: spec.region.as_deref(),
            health_status: row.resource.status(),
            reason: state.health.reason(),
            metrics: MetricsView::of(&state.metrics),
            last_updated: state.last_updated,
            health_since: state.health_since,
            sequence: state.sequence,
            incarnation: identity.incarnation,
            generation: identity.generation.0,
            revision: row.resource.revision(),
            shard: row.shard,
            term: row.term,
            managed_by: identity.owner.to_string(),
            check: spec.check.to_json(),
            interval: spec.interval,
            depends_on: &spec.depends_on,
            suppressed_by: state
                .suppressed_by
                .as_ref()
                .map(|(resource_id, revision)| SuppressedBy { resource_id, revision: *revision }),
        }
    }
}

fn as_text<S: Serializer>(value: &Incarnation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
