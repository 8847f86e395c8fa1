//! The filters that lists, watches and exports share.

use model::selector::Selector;
use raft::Filter;
use utoipa::IntoParams;

use super::{Query, text};
use crate::view::{health_statuses, resource_types};

const MAX_TEXT: usize = 253;

/// The filters, for the description of the API.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `filter` reads")]
pub(crate) struct FilterParams {
    /// The type, such as `HOST`.
    #[param(schema_with = resource_types)]
    resource_type: Option<String>,
    /// The namespace.
    #[param(min_length = 1, max_length = 253)]
    namespace: Option<String>,
    /// A label selector in Kubernetes syntax, such as `team=shop,tier in (web,api),!test`.
    #[param(format = "label-selector", max_length = 4096)]
    labels: Option<String>,
    /// The health: HEALTHY, WARNING, CRITICAL, UNKNOWN or MAINTENANCE.
    #[param(schema_with = health_statuses)]
    health_status: Option<String>,
    /// The region.
    #[param(min_length = 1, max_length = 253)]
    region: Option<String>,
    /// The cluster that it is part of.
    #[param(min_length = 1, max_length = 253)]
    cluster_id: Option<String>,
    /// Who declared it: `config`, `api` or a source's id.
    #[param(min_length = 1, max_length = 253)]
    managed_by: Option<String>,
    /// How the name begins.
    #[param(min_length = 1, max_length = 253)]
    name: Option<String>,
}

/// Reads the filters.
pub(crate) fn filter(query: &mut Query) -> Filter {
    Filter {
        resource_type: query.take("resource_type", str::parse),
        namespace: query.take("namespace", text(MAX_TEXT)),
        labels: query.take("labels", str::parse::<Selector>).unwrap_or_default(),
        health_status: query.take("health_status", str::parse),
        region: query.take("region", text(MAX_TEXT)),
        cluster_id: query.take("cluster_id", text(MAX_TEXT)),
        managed_by: query.take("managed_by", text(MAX_TEXT)),
        name_prefix: query.take("name", text(MAX_TEXT)),
    }
}

#[cfg(test)]
mod tests {
    use model::{HealthStatus, ResourceType};

    use super::*;

    #[test]
    fn filters_are_read_as_the_contract_names_them() {
        let mut query = Query::parse(
            "resource_type=host&namespace=web&labels=team%3Dshop&health_status=unhealthy\
             &region=eu-1&cluster_id=c1&managed_by=api&name=sh",
        );
        let filter = filter(&mut query);
        assert!(query.finish().is_ok());
        assert_eq!(filter.resource_type, Some(ResourceType::Host));
        assert_eq!(filter.health_status, Some(HealthStatus::Critical));
        assert_eq!(filter.labels.to_string(), "team=shop");
        assert_eq!(filter.name_prefix.as_deref(), Some("sh"));
    }

    #[test]
    fn every_bad_filter_is_named() {
        let mut query = Query::parse("resource_type=HOSTS&labels=a+b&health_status=fine&region=");
        filter(&mut query);
        let error = format!("{:?}", query.finish().unwrap_err());
        for name in ["?resource_type", "?labels", "?health_status", "?region"] {
            assert!(error.contains(name), "{name} is missing in {error}");
        }
    }
}
