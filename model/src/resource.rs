//! What is watched: its type, labels, owner, and the row that the API shows.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Generation, Health, HealthStatus, Incarnation, Metrics, Pairs, ResourceId, ResourceSpec,
    Revision, Sequence, ShardTime, WallTime, slots::Ledger,
};

/// Labels by key, as in Kubernetes.
pub type Labels = Pairs<Box<str>>;

macro_rules! resource_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kinds of resource: the contract's eight and seven more (DESIGN section 8).
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum ResourceType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl ResourceType {
            /// All of them, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in documents, such as `KUBERNETES_NODE`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

resource_types! {
    /// A Kubernetes cluster.
    KubernetesCluster = "KUBERNETES_CLUSTER",
    /// A node of a Kubernetes cluster.
    KubernetesNode = "KUBERNETES_NODE",
    /// A pod.
    KubernetesPod = "KUBERNETES_POD",
    /// A virtual machine of a cloud.
    CloudInstance = "CLOUD_INSTANCE",
    /// A switch, router or firewall.
    NetworkDevice = "NETWORK_DEVICE",
    /// A load balancer.
    LoadBalancer = "LOAD_BALANCER",
    /// A database server.
    Database = "DATABASE",
    /// A disk of a cloud or a persistent volume.
    StorageVolume = "STORAGE_VOLUME",
    /// A machine with an operating system of its own.
    Host = "HOST",
    /// A container outside Kubernetes.
    Container = "CONTAINER",
    /// A service that people or programs use.
    Service = "SERVICE",
    /// A Kubernetes namespace.
    Namespace = "NAMESPACE",
    /// Something that answers on the network.
    Endpoint = "ENDPOINT",
    /// A device at the edge.
    EdgeDevice = "EDGE_DEVICE",
    /// A graphics processor.
    Gpu = "GPU",
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no resource type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a resource type{hint}")]
pub struct UnknownResourceType {
    found: String,
    hint: String,
}

impl FromStr for ResourceType {
    type Err = UnknownResourceType;

    /// Reads the name in any case.
    fn from_str(text: &str) -> Result<Self, UnknownResourceType> {
        Self::ALL.iter().copied().find(|t| t.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|t| t.as_str()).collect();
            UnknownResourceType {
                found: text.chars().take(40).collect(),
                hint: crate::decode::nearest(&text.to_ascii_uppercase(), &known),
            }
        })
    }
}

/// Who declared a resource and may change it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// The configuration file.
    Config,
    /// A client of the API.
    Api,
    /// A source, by its id.
    Source(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("config"),
            Self::Api => f.write_str("api"),
            Self::Source(id) => f.write_str(id),
        }
    }
}

/// All that a shard knows of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The declaration in force.
    pub spec: Arc<ResourceSpec>,
    /// Which life of the id and which declaration this is.
    pub identity: Identity,
    /// What changes with each observation.
    pub state: ResourceState,
}

/// Which life of the id and which declaration of it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who declared it.
    pub owner: Owner,
    /// The life of the id.
    pub incarnation: Incarnation,
    /// The declaration in force.
    pub generation: Generation,
    /// The configuration version that declared it, 0 for the API.
    pub config_version: u64,
}

/// What changes with each observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceState {
    /// The decision machine.
    pub health: Health,
    /// The measurements of the last accepted observation.
    pub metrics: Metrics,
    /// When the last accepted observation was made; the declaration until there is one.
    pub last_updated: WallTime,
    /// When something was last heard, in shard time: staleness counts from here.
    pub heard: ShardTime,
    /// The `observed_at` of the last accepted push, which the next one must exceed (SEMANTICS 20).
    pub pushed_at: Option<WallTime>,
    /// Since when the shown health holds.
    pub health_since: WallTime,
    /// How many events of this incarnation were published.
    pub sequence: Sequence,
    /// When this row last changed, as log index and place within the entry.
    pub changed: (Revision, u32),
    /// The schedule and what became of its slots.
    pub ledger: Ledger,
    /// The parent on whose account nobody is paged, with its revision (SEMANTICS 5).
    pub suppressed_by: Option<(ResourceId, Revision)>,
}

impl Resource {
    /// The name it is known by.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        &self.spec.id
    }

    /// The health that everybody sees.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        self.state.health.status()
    }

    /// The revision of the row.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.state.changed.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifteen_types_and_their_names_read_back() {
        assert_eq!(ResourceType::ALL.len(), 15);
        for t in ResourceType::ALL {
            assert_eq!(t.as_str().to_lowercase().parse(), Ok(*t));
        }
        let error = "kubernetes_nod".parse::<ResourceType>().unwrap_err();
        assert!(error.to_string().contains("KUBERNETES_NODE"), "{error}");
    }
}
