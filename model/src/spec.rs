//! A declaration: what a resource is, how it is checked, and by which rules it is judged.

mod decode;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{CheckSpec, Labels, Millis, ResourceId, ResourceType, threshold::Threshold};

pub use decode::{Defaults, Origin, SpecDecoder, candidate_thresholds};

/// The most labels of one resource.
pub const MAX_LABELS: usize = 64;
/// The most parents of one resource.
pub const MAX_PARENTS: usize = 64;
/// The most thresholds of one resource.
pub const MAX_THRESHOLDS: usize = 64;

/// A resource as declared, all defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceSpec {
    /// The name it is known by.
    pub id: ResourceId,
    /// What kind of thing it is.
    pub resource_type: ResourceType,
    /// A name for people.
    pub name: String,
    /// A Kubernetes namespace, or any other grouping.
    pub namespace: Option<String>,
    /// The cluster that it is part of.
    pub cluster_id: Option<String>,
    /// Labels for selectors.
    pub labels: Labels,
    /// Where it is; the declaring node's region where absent.
    pub region: Option<String>,
    /// Parents: while one of them is down, this one pages nobody.
    pub depends_on: Vec<ResourceId>,
    /// What to check.
    pub check: CheckSpec,
    /// How often.
    pub interval: Millis,
    /// How long one check may take, name resolution and body included.
    pub timeout: Millis,
    /// By which rules it is judged.
    pub policy: Policy,
}

/// The rules that turn observations into health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Failed checks in a row before the health falls.
    pub failures: u32,
    /// Passed checks in a row before it recovers.
    pub successes: u32,
    /// Silence longer than this is UNKNOWN.
    pub stale_after: Millis,
    /// Limits by metric.
    pub thresholds: BTreeMap<String, Threshold>,
    /// When changes come so often that they are one condition.
    pub flapping: Option<Flapping>,
}

/// So many changes of health within a window hold the worst of them until it is calm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// Changes that make it flapping.
    pub changes: u32,
    /// The window they fall in; calm is a window with fewer than half of them.
    pub window: Millis,
}

impl ResourceSpec {
    /// How many slots a second it asks for; push-fed resources have a slot per `ttl`.
    #[must_use]
    pub fn slot_interval(&self) -> Millis {
        match &self.check {
            CheckSpec::Push(push) => push.ttl,
            _ => self.interval,
        }
    }

    /// The declaration as people write it, defaults filled in.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| {
            if !value.is_null() {
                map.insert(key.to_owned(), value);
            }
        };
        put("id", json!(self.id));
        put("type", json!(self.resource_type));
        put("name", json!(self.name));
        put("namespace", json!(self.namespace));
        put("cluster_id", json!(self.cluster_id));
        put("labels", json!(self.labels));
        put("region", json!(self.region));
        put("depends_on", json!(self.depends_on));
        put("interval", json!(self.interval));
        put("timeout", json!(self.timeout));
        put("failures", json!(self.policy.failures));
        put("successes", json!(self.policy.successes));
        put("stale_after", json!(self.policy.stale_after));
        put("thresholds", json!(self.policy.thresholds));
        put("flapping", json!(self.policy.flapping));
        put("check", self.check.to_json());
        Value::Object(map)
    }
}
