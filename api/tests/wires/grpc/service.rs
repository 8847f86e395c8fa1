//! What tools ask a server of gRPC: whether it serves, and what it has.

use std::{sync::Arc, time::Duration};

use bellwether_api::{Hooks, ReadinessCheck, v1};
use futures_util::stream;
use serde_json::json;
use tonic::{Code, codec::CompressionEncoding};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::Both;

async fn serving(both: &Both, service: &str) -> Result<ServingStatus, Code> {
    let asked = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(both.channel.clone()).check(asked).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

/// Waits until it is so.
async fn until(both: &Both, service: &str, wanted: ServingStatus) {
    for _ in 0..100 {
        if serving(both, service).await == Ok(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{service:?} does not become {wanted:?}");
}

#[tokio::test]
async fn each_service_says_whether_it_may_be_asked() {
    let both = Both::start().await;
    for service in ["", "bellwether.v1.ResourceService", "bellwether.v1.MaintenanceService"] {
        until(&both, service, ServingStatus::Serving).await;
    }
    assert_eq!(serving(&both, "bellwether.v1.Nothing").await, Err(Code::NotFound));
    let unready = ReadinessCheck {
        name: "probes".to_owned(),
        ok: false,
        required: true,
        detail: "are not started".to_owned(),
    };
    let readiness = Arc::new(move || vec![unready.clone()]);
    let both = Both::with(Hooks { readiness, ..Hooks::default() }).await;
    until(&both, "bellwether.v1.ClusterService", ServingStatus::NotServing).await;
}

#[tokio::test]
async fn reflection_tells_of_every_service() {
    let both = Both::start().await;
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let asked = stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "bellwether.v1.WatchResourcesResponse".to_owned(),
        )),
    ]);
    let mut client = ServerReflectionClient::new(both.channel.clone());
    let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
    let listed = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = listed else { panic!("{listed:?}") };
    let names: Vec<&str> = listed.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["Resource", "Cluster", "Coverage", "Maintenance"] {
        assert!(names.contains(&format!("bellwether.v1.{name}Service").as_str()), "{names:?}");
    }
    let found = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(found, Some(MessageResponse::FileDescriptorResponse(_))), "{found:?}");
}

#[tokio::test]
async fn answers_are_compressed_for_who_wants_that() {
    let both = Both::start().await;
    both.rest.declare("svc:a", serde_json::json!({})).await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = both.resources().send_compressed(encoding).accept_compressed(encoding);
        let answer =
            client.list_resources(bellwether_api::v1::ListResourcesRequest::default()).await;
        let answer = answer.unwrap();
        let used = answer.metadata().get("grpc-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(used, Some(if encoding == CompressionEncoding::Gzip { "gzip" } else { "zstd" }));
        assert_eq!(answer.into_inner().resources.len(), 1);
    }
}

#[tokio::test]
async fn calls_are_counted_by_method_and_by_how_they_end() {
    let get = |id: &str| v1::GetResourceRequest {
        resource_id: id.to_owned(),
        ..v1::GetResourceRequest::default()
    };
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    both.resources().get_resource(get("svc:a")).await.unwrap();
    both.resources().get_resource(get("svc:none")).await.unwrap_err();
    let mut watch = both.resources().watch_resources(v1::WatchResourcesRequest::default()).await;
    watch.as_mut().unwrap().get_mut().message().await.unwrap();
    drop(watch);
    let service = "bellwether.v1.ResourceService";
    let expected = [
        format!("bellwether_grpc_calls_total{{method=\"{service}/GetResource\",code=\"Ok\"}} 1"),
        format!(
            "bellwether_grpc_calls_total{{method=\"{service}/GetResource\",code=\"NotFound\"}} 1"
        ),
        format!(
            "bellwether_grpc_calls_total{{method=\"{service}/WatchResources\",code=\"Cancelled\"}} 1"
        ),
        format!(
            "bellwether_grpc_call_duration_seconds_count{{method=\"{service}/GetResource\"}} 2"
        ),
    ];
    for _ in 0..100 {
        let shown = both.rest.get("/metrics").await.text();
        if expected.iter().all(|line| shown.contains(line)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{expected:#?} are missing in\n{}", both.rest.get("/metrics").await.text());
}
