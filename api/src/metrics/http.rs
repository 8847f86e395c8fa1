//! How many requests there were, and how long they took.

use std::{fmt, time::Duration};

use axum::http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{HTTP_DURATION, HTTP_REQUESTS};

const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The figures of the HTTP side. A route is the path's pattern, so that the number of series
/// does not depend on what clients ask for.
pub(crate) struct HttpMetrics {
    registry: Registry,
    requests: Family<RouteCode, Counter>,
    durations: Family<Route, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteCode {
    route: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

impl HttpMetrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let durations = Family::new_with_constructor(buckets as fn() -> Histogram);
        registry.register(HTTP_REQUESTS, "Requests by route and status code", requests.clone());
        registry.register_with_unit(
            HTTP_DURATION,
            "Time to the answer's head by route",
            Unit::Seconds,
            durations.clone(),
        );
        Self { registry, requests, durations }
    }

    pub(crate) fn note(&self, route: &str, code: StatusCode, took: Duration) {
        let route = route.to_owned();
        let labels = RouteCode { route: route.clone(), code: code.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

pub(super) fn buckets() -> Histogram {
    Histogram::new(BUCKETS)
}

impl fmt::Debug for HttpMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;

    use super::*;

    #[test]
    fn requests_have_the_contracts_names() {
        let metrics = HttpMetrics::new();
        metrics.note("/livez", StatusCode::OK, Duration::from_millis(3));
        let mut out = String::new();
        encode_registry(&mut out, metrics.registry()).unwrap();
        for line in [
            "bellwether_http_requests_total{route=\"/livez\",code=\"200\"} 1",
            "bellwether_http_request_duration_seconds_count{route=\"/livez\"} 1",
            "bellwether_http_request_duration_seconds_bucket{le=\"0.005\",route=\"/livez\"} 1",
        ] {
            assert!(out.contains(line), "{line} is missing in\n{out}");
        }
    }
}
