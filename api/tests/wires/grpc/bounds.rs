//! Limits, deadlines, hostile input.

use std::time::Duration;

use bellwether_api::{Hooks, Limits, v1};
use futures_util::stream;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;

use super::{Both, document};
use crate::support::push_fed;

fn get() -> v1::GetResourceRequest {
    v1::GetResourceRequest { resource_id: "svc:a".to_owned(), ..Default::default() }
}

#[tokio::test]
async fn observations_are_taken_in_one_after_the_other_and_refusals_are_told() {
    use v1::push_observations_request::Outcome;
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    let observation = |n: i64| v1::PushObservationsRequest {
        resource_id: if n % 100 == 50 { "svc:none" } else { "svc:a" }.to_owned(),
        outcome: if n == 7 { Outcome::Unspecified } else { Outcome::Ok }.into(),
        metrics: Some(v1::Metrics { pod_count: Some(n.unsigned_abs()), ..Default::default() }),
        observed_at: Some(prost_types::Timestamp { seconds: 1_700_000_000 + n, nanos: 0 }),
        message: String::new(),
    };
    let all: Vec<_> = (0..1_000).map(observation).collect();
    let taken = both.resources().push_observations(stream::iter(all)).await.unwrap().into_inner();
    assert_eq!((taken.accepted, taken.refused, taken.refusals.len()), (989, 11, 11), "{taken:?}");
    let first = &taken.refusals[0];
    assert_eq!((first.index, first.code), (7, Code::InvalidArgument.into()));
    assert!(first.message.contains("`outcome` is missing"), "{}", first.message);
    let second = &taken.refusals[1];
    assert_eq!((second.index, second.resource_id.as_str()), (50, "svc:none"));
    assert_eq!(second.code, i32::from(Code::NotFound));
    let row = both.resources().get_resource(get()).await.unwrap().into_inner().resource.unwrap();
    assert_eq!(row.metrics.unwrap().pod_count, Some(999), "the last one counts");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let both = Both::start().await;
    let large = push_fed(&"n".repeat(2 << 20), json!({}));
    let asked = v1::PutResourceRequest {
        resource_id: "svc:a".to_owned(),
        declaration: Some(document(&large)),
        precondition: None,
    };
    let refused = both.resources().put_resource(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(refused.message().contains("too large"), "{refused}");
}

#[tokio::test]
async fn beyond_its_limits_a_node_says_so() {
    let limits = Limits { in_flight: 0, watches: 1, ..Limits::default() };
    let both = Both::with(Hooks { limits, ..Hooks::default() }).await;
    let refused = both.resources().get_resource(get()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let watch = || v1::WatchResourcesRequest::default();
    let _one = both.resources().watch_resources(watch()).await.unwrap();
    let refused = both.resources().watch_resources(watch()).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("watches are open"), "{refused}");
}

#[tokio::test]
async fn short_of_memory_lists_are_refused_and_rows_are_not() {
    let short = |_| Some("3 MiB are left".to_owned());
    let hooks = Hooks { short_of_memory: std::sync::Arc::new(short), ..Hooks::default() };
    let both = Both::with(hooks).await;
    let refused = both.resources().list_resources(v1::ListResourcesRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    assert_eq!(both.resources().get_resource(get()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_harms_nobody() {
    let both = Both::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[0xff; 64],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(both.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "it is hung up on");
    }
    assert_eq!(both.resources().get_resource(get()).await.unwrap_err().code(), Code::NotFound);
}
