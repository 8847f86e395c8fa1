//! Health of a whole from the health of its parts: pure functions.

use serde::{Deserialize, Serialize};

use crate::{HealthStatus, Resource, ResourceType};

/// The contract's `ClusterHealth`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterHealth {
    /// The id that the parts name in `cluster_id`.
    pub cluster_id: String,
    /// The name of the cluster's own resource; the id where there is none.
    pub cluster_name: String,
    /// The worst that matters; see [`ClusterHealth::of`].
    pub overall_health: HealthStatus,
    /// Nodes of the cluster.
    pub node_count: u64,
    /// Nodes that are HEALTHY.
    pub healthy_nodes: u64,
    /// Pods of the cluster.
    pub pod_count: u64,
    /// Pods that are HEALTHY.
    pub running_pods: u64,
}

impl ClusterHealth {
    /// Rolls the cluster's parts up; `None` where there are none.
    ///
    /// The cluster's own resource counts in full. Parts count by share: all nodes (or, without
    /// nodes, all pods) CRITICAL is CRITICAL, any trouble among the parts is WARNING, nothing
    /// but silence is UNKNOWN, and parts in maintenance do not count while others do.
    pub fn of<'a>(cluster_id: &str, parts: impl IntoIterator<Item = &'a Resource>) -> Option<Self> {
        let mut tally = Tally::default();
        parts.into_iter().for_each(|part| tally.add(part));
        (tally.parts > 0).then(|| tally.finish(cluster_id))
    }
}

#[derive(Default)]
struct Tally {
    parts: u64,
    name: Option<String>,
    own: Option<HealthStatus>,
    nodes: Counts,
    pods: Counts,
    others: Counts,
}

#[derive(Default)]
struct Counts {
    all: u64,
    healthy: u64,
    critical: u64,
    unknown: u64,
    maintenance: u64,
}

impl Counts {
    fn add(&mut self, status: HealthStatus) {
        self.all += 1;
        match status {
            HealthStatus::Healthy => self.healthy += 1,
            HealthStatus::Critical => self.critical += 1,
            HealthStatus::Unknown => self.unknown += 1,
            HealthStatus::Maintenance => self.maintenance += 1,
            HealthStatus::Warning => {}
        }
    }

    fn verdict(&self) -> Option<HealthStatus> {
        let counted = self.all - self.maintenance;
        match counted {
            _ if self.all == 0 => None,
            0 => Some(HealthStatus::Maintenance),
            _ if self.critical == counted => Some(HealthStatus::Critical),
            _ if self.unknown == counted => Some(HealthStatus::Unknown),
            _ if self.healthy == counted => Some(HealthStatus::Healthy),
            _ => Some(HealthStatus::Warning),
        }
    }
}

impl Tally {
    fn add(&mut self, part: &Resource) {
        self.parts += 1;
        match part.spec.resource_type {
            ResourceType::KubernetesCluster => {
                self.name = Some(part.spec.name.clone());
                self.own = Some(part.status());
            }
            ResourceType::KubernetesNode => self.nodes.add(part.status()),
            ResourceType::KubernetesPod => self.pods.add(part.status()),
            _ => self.others.add(part.status()),
        }
    }

    fn overall(&self) -> HealthStatus {
        let base = self.nodes.verdict().or(self.pods.verdict()).or(self.others.verdict());
        // Beneath the layer that carries the cluster, trouble is at most a warning.
        let soften = |status| match status {
            HealthStatus::Critical | HealthStatus::Unknown => HealthStatus::Warning,
            other => other,
        };
        let parts = [self.pods.verdict(), self.others.verdict()].into_iter().flatten().map(soften);
        [self.own, base]
            .into_iter()
            .flatten()
            .chain(parts)
            .max_by_key(rank)
            .unwrap_or(HealthStatus::Unknown)
    }

    fn finish(self, cluster_id: &str) -> ClusterHealth {
        ClusterHealth {
            cluster_id: cluster_id.to_owned(),
            overall_health: self.overall(),
            cluster_name: self.name.unwrap_or_else(|| cluster_id.to_owned()),
            node_count: self.nodes.all,
            healthy_nodes: self.nodes.healthy,
            pod_count: self.pods.all,
            running_pods: self.pods.healthy,
        }
    }
}

fn rank(status: &HealthStatus) -> u8 {
    match status {
        HealthStatus::Maintenance => 0,
        HealthStatus::Healthy => 1,
        HealthStatus::Unknown => 2,
        HealthStatus::Warning => 3,
        HealthStatus::Critical => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overall(nodes: &[HealthStatus], pods: &[HealthStatus]) -> HealthStatus {
        let mut tally = Tally { parts: 1, ..Tally::default() };
        nodes.iter().for_each(|status| tally.nodes.add(*status));
        pods.iter().for_each(|status| tally.pods.add(*status));
        tally.finish("c1").overall_health
    }

    #[test]
    fn a_cluster_is_as_well_as_what_carries_it() {
        use HealthStatus::{Critical, Healthy, Maintenance, Unknown, Warning};
        assert_eq!(overall(&[Healthy, Healthy], &[Healthy]), Healthy);
        assert_eq!(overall(&[Healthy, Critical], &[]), Warning);
        assert_eq!(overall(&[Critical, Critical], &[Healthy]), Critical);
        assert_eq!(overall(&[Healthy, Maintenance], &[]), Healthy);
        assert_eq!(overall(&[Healthy], &[Critical]), Warning);
        assert_eq!(overall(&[], &[Critical]), Critical);
        assert_eq!(overall(&[Unknown], &[]), Unknown);
    }
}
