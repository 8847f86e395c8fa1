//! Secondary indexes over the rows: rebuilt when a group is loaded, kept with every change.

use std::collections::{BTreeMap, BTreeSet};

use model::{HealthStatus, Resource, ResourceId};

use crate::query::Filter;

/// One indexed property and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Property {
    Type(&'static str),
    Namespace(String),
    Region(String),
    Cluster(String),
    Owner(String),
    Label(String, String),
    Status(HealthStatus),
}

/// Ids by property.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    ids: BTreeMap<Property, BTreeSet<ResourceId>>,
}

impl Index {
    pub(crate) fn insert(&mut self, resource: &Resource) {
        for property in properties(resource) {
            self.ids.entry(property).or_default().insert(resource.id().clone());
        }
    }

    pub(crate) fn remove(&mut self, resource: &Resource) {
        for property in properties(resource) {
            self.drop_one(&property, resource.id());
        }
    }

    /// Moves a resource whose health changed; nothing else of it did.
    pub(crate) fn move_status(&mut self, id: &ResourceId, from: HealthStatus, to: HealthStatus) {
        self.drop_one(&Property::Status(from), id);
        self.ids.entry(Property::Status(to)).or_default().insert(id.clone());
    }

    /// The fewest ids that hold everything a filter can match; `None` means all.
    pub(crate) fn candidates(&self, filter: &Filter) -> Option<Vec<&BTreeSet<ResourceId>>> {
        let wanted = wanted(filter);
        if wanted.is_empty() {
            return None;
        }
        let sets: Option<Vec<_>> = wanted.iter().map(|property| self.ids.get(property)).collect();
        // A property that no resource has: nothing matches.
        let Some(mut sets) = sets else { return Some(Vec::new()) };
        sets.sort_by_key(|set| set.len());
        sets.truncate(1);
        Some(sets)
    }

    /// How many resources have a status.
    pub(crate) fn count(&self, status: HealthStatus) -> usize {
        self.ids.get(&Property::Status(status)).map_or(0, BTreeSet::len)
    }

    fn drop_one(&mut self, property: &Property, id: &ResourceId) {
        if let Some(set) = self.ids.get_mut(property) {
            set.remove(id);
            if set.is_empty() {
                self.ids.remove(property);
            }
        }
    }
}

fn properties(resource: &Resource) -> Vec<Property> {
    let spec = &resource.spec;
    let mut found = vec![
        Property::Type(spec.resource_type.as_str()),
        Property::Owner(resource.identity.owner.to_string()),
        Property::Status(resource.status()),
    ];
    found.extend(spec.namespace.clone().map(Property::Namespace));
    found.extend(spec.region.clone().map(Property::Region));
    found.extend(spec.cluster_id.clone().map(Property::Cluster));
    let labels = spec.labels.iter();
    found.extend(labels.map(|(key, value)| Property::Label(key.to_owned(), value.to_string())));
    found
}

fn wanted(filter: &Filter) -> Vec<Property> {
    let mut wanted = Vec::new();
    wanted.extend(filter.resource_type.map(|t| Property::Type(t.as_str())));
    wanted.extend(filter.namespace.clone().map(Property::Namespace));
    wanted.extend(filter.region.clone().map(Property::Region));
    wanted.extend(filter.cluster_id.clone().map(Property::Cluster));
    wanted.extend(filter.managed_by.clone().map(Property::Owner));
    wanted.extend(filter.health_status.map(Property::Status));
    let labels = filter.labels.equalities();
    wanted.extend(labels.map(|(key, value)| Property::Label(key.to_owned(), value.to_owned())));
    wanted
}
