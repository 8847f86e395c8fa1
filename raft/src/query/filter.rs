//! Which resources a question is about.

use model::{HealthStatus, Labels, Resource, ResourceType, selector::Selector};
use serde::{Deserialize, Serialize};

/// A conjunction of conditions; the empty one takes everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The type.
    pub resource_type: Option<ResourceType>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The labels.
    pub labels: Selector,
    /// The shown health.
    pub health_status: Option<HealthStatus>,
    /// The region.
    pub region: Option<String>,
    /// The cluster.
    pub cluster_id: Option<String>,
    /// The owner, as shown.
    pub managed_by: Option<String>,
    /// How the name begins.
    pub name_prefix: Option<String>,
}

/// What filters look at, kept apart for rows that have changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterFields {
    /// The type.
    pub resource_type: ResourceType,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// The labels.
    pub labels: Labels,
    /// The shown health.
    pub health_status: HealthStatus,
    /// The region.
    pub region: Option<String>,
    /// The cluster.
    pub cluster_id: Option<String>,
    /// The owner, as shown.
    pub managed_by: String,
}

impl FilterFields {
    /// The fields of a resource as it is.
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        let spec = &resource.spec;
        Self {
            resource_type: spec.resource_type,
            name: spec.name.clone(),
            namespace: spec.namespace.clone(),
            labels: spec.labels.clone(),
            health_status: resource.status(),
            region: spec.region.clone(),
            cluster_id: spec.cluster_id.clone(),
            managed_by: resource.identity.owner.to_string(),
        }
    }
}

impl Filter {
    /// Whether a resource meets every condition.
    #[must_use]
    pub fn matches(&self, resource: &Resource) -> bool {
        let spec = &resource.spec;
        self.resource_type.is_none_or(|wanted| wanted == spec.resource_type)
            && self.health_status.is_none_or(|wanted| wanted == resource.status())
            && equals(self.namespace.as_deref(), spec.namespace.as_deref())
            && equals(self.region.as_deref(), spec.region.as_deref())
            && equals(self.cluster_id.as_deref(), spec.cluster_id.as_deref())
            && self.name_prefix.as_deref().is_none_or(|prefix| spec.name.starts_with(prefix))
            && self
                .managed_by
                .as_deref()
                .is_none_or(|wanted| wanted == resource.identity.owner.to_string())
            && self.labels.matches(&spec.labels)
    }

    /// Whether a row as it was met every condition.
    #[must_use]
    pub fn matched(&self, former: &FilterFields) -> bool {
        self.resource_type.is_none_or(|wanted| wanted == former.resource_type)
            && self.health_status.is_none_or(|wanted| wanted == former.health_status)
            && equals(self.namespace.as_deref(), former.namespace.as_deref())
            && equals(self.region.as_deref(), former.region.as_deref())
            && equals(self.cluster_id.as_deref(), former.cluster_id.as_deref())
            && self.name_prefix.as_deref().is_none_or(|prefix| former.name.starts_with(prefix))
            && self.managed_by.as_deref().is_none_or(|wanted| wanted == former.managed_by)
            && self.labels.matches(&former.labels)
    }
}

fn equals(wanted: Option<&str>, found: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| found == Some(wanted))
}
