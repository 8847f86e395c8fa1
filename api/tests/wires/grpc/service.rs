//! What tools ask a server of gRPC: whether it serves, and what it has.

use std::{sync::Arc, time::Duration};

use bellwether_api::{Hooks, ReadinessCheck};
use futures_util::stream;
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
