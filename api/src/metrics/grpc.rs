//! How many calls there were over gRPC, and how long they took.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tonic::Code;

use super::{GRPC_CALLS, GRPC_DURATION, http::buckets};

/// The figures of the gRPC side. Methods are those of the description, so that the number of series does
/// not depend on what clients ask for.
pub(crate) struct GrpcMetrics {
    registry: Registry,
    calls: Family<MethodCode, Counter>,
    durations: Family<Method, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodCode {
    method: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

impl GrpcMetrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let calls = Family::default();
        let durations = Family::new_with_constructor(buckets as fn() -> Histogram);
        registry.register(GRPC_CALLS, "Calls by method and status code", calls.clone());
        registry.register_with_unit(
            GRPC_DURATION,
            "Time to the end of the call by method; streams that go on are not counted",
            Unit::Seconds,
            durations.clone(),
        );
        Self { registry, calls, durations }
    }

    pub(crate) fn note(&self, method: &'static str, code: Code, took: Option<Duration>) {
        let labels = MethodCode { method, code: format!("{code:?}") };
        self.calls.get_or_create(&labels).inc();
        if let Some(took) = took {
            self.durations.get_or_create(&Method { method }).observe(took.as_secs_f64());
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl fmt::Debug for GrpcMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcMetrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;

    use super::*;

    #[test]
    fn calls_have_the_contracts_names() {
        let metrics = GrpcMetrics::new();
        metrics.note("Get", Code::NotFound, Some(Duration::from_millis(3)));
        metrics.note("Watch", Code::Ok, None);
        let mut out = String::new();
        encode_registry(&mut out, metrics.registry()).unwrap();
        for line in [
            "bellwether_grpc_calls_total{method=\"Get\",code=\"NotFound\"} 1",
            "bellwether_grpc_calls_total{method=\"Watch\",code=\"Ok\"} 1",
            "bellwether_grpc_call_duration_seconds_count{method=\"Get\"} 1",
        ] {
            assert!(out.contains(line), "{line} is missing in\n{out}");
        }
        assert!(!out.contains("duration_seconds_count{method=\"Watch\"}"), "{out}");
    }
}
