//! Limits, deadlines, hostile input.

use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    http::{self, HeaderMap, Response},
};
use bellwether_api::{
    Hooks, Limits,
    v1::{self, resource_service_client::ResourceServiceClient},
};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

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
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("send less at once"), "{refused}");
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
async fn streams_that_say_nothing_are_counted_and_leave_room_for_calls() {
    let limits = Limits { streams: 3, ..Limits::default() };
    let both = Both::with(Hooks { limits, ..Hooks::default() }).await;
    let watch =
        async || both.resources().watch_resources(v1::WatchResourcesRequest::default()).await;
    let one = watch().await.unwrap();
    let mut resources = both.resources();
    let push = tokio::spawn(async move { resources.push_observations(stream::pending()).await });
    let asked = HealthCheckRequest { service: String::new() };
    let mut health = HealthClient::new(both.channel.clone());
    let refused = loop {
        // The pushing stream may still be on its way.
        let told = match health.watch(asked.clone()).await {
            Ok(told) => told,
            Err(refused) => break refused,
        };
        if let Err(refused) = watch().await {
            drop(told);
            break refused;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("3 streams are open"), "{refused}");
    assert_eq!(both.resources().get_resource(get()).await.unwrap_err().code(), Code::NotFound);
    drop(one);
    push.abort();
    freed(async || watch().await.err()).await;
}

/// Waits until a place that was given up is free.
async fn freed(refused: impl AsyncFn() -> Option<tonic::Status>) {
    let free = async {
        while let Some(status) = refused().await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), free).await.expect("the place is free");
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_its_place() {
    let limits = Limits { in_flight: 1, watches: 1, ..Limits::default() };
    let both = Both::with(Hooks { limits, ..Hooks::default() }).await;
    let busy = async || {
        let refused = both.resources().get_resource(get()).await.unwrap_err();
        Some(refused).filter(|refused| refused.code() != Code::NotFound)
    };
    let half = stream::iter([Bytes::from_static(&[0, 0, 0, 0, 9, 10])]).chain(stream::pending());
    let call = tokio::spawn(raw(both.address, "PutResource", &[GRPC], half));
    timeout(Duration::from_secs(10), async { while busy().await.is_none() {} })
        .await
        .expect("it waits");
    call.abort();
    freed(&busy).await;
    let watch =
        async || both.resources().watch_resources(v1::WatchResourcesRequest::default()).await;
    for _ in 0..50 {
        freed(async || watch().await.err()).await;
    }
}

#[tokio::test]
async fn a_watch_that_nobody_reads_gives_its_place_up() {
    let [stall, heartbeat] = [300, 100].map(Duration::from_millis);
    let limits = Limits { watches: 1, stall, heartbeat, ..Limits::default() };
    let both = Both::with(Hooks { limits, ..Hooks::default() }).await;
    let narrow = Channel::from_shared(format!("http://{}", both.address)).unwrap();
    let narrow = narrow.initial_stream_window_size(65_535).connect().await.unwrap();
    let watch = v1::WatchResourcesRequest::default();
    let unread = ResourceServiceClient::new(narrow).watch_resources(watch.clone()).await.unwrap();
    // More than the window and what is buffered before it.
    let labels: Map<String, Value> =
        (0..60).map(|n| (format!("l{n}-{}", "k".repeat(240)), "v".repeat(60).into())).collect();
    for n in 0..20 {
        both.rest.declare(&format!("svc:{n}"), json!({"labels": labels})).await;
    }
    freed(async || both.resources().watch_resources(watch.clone()).await.err()).await;
    drop(unread);
}

#[tokio::test]
async fn a_field_that_is_not_known_is_passed_over_as_protobuf_has_it() {
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    let mut message = get().encode_to_vec();
    // Field 999, of two bytes.
    message.extend([0xba, 0x3e, 2, b'h', b'i']);
    let answer = raw(both.address, "GetResource", &[GRPC], stream::iter([frame(&message)])).await;
    assert_eq!(status(answer).await.0, Code::Ok);
    // Of a declaration every word counts.
    let asked = v1::PutResourceRequest {
        resource_id: "svc:b".to_owned(),
        declaration: Some(document(&push_fed("svc:b", json!({"intervall": "1s"})))),
        precondition: None,
    };
    let refused = both.resources().put_resource(asked).await.unwrap_err();
    assert!(refused.message().contains("intervall"), "{refused}");
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
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(both.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "it is hung up on");
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
    assert_eq!(both.resources().get_resource(get()).await.unwrap_err().code(), Code::NotFound);
}

/// A call by hand: what a client of the library would not send.
async fn raw(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{address}/bellwether.v1.ResourceService/{method}");
    let mut request = http::Request::post(uri).header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let frames = body.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    send.send_request(request.body(StreamBody::new(Box::pin(frames))).unwrap()).await.unwrap()
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// The status, be it in the head or in the trailers.
async fn status(response: Response<Incoming>) -> (Code, HeaderMap) {
    let of =
        |headers: &HeaderMap| headers.get("grpc-status").map(|s| Code::from_bytes(s.as_bytes()));
    let headers = response.headers().clone();
    if let Some(code) = of(&headers) {
        return (code, headers);
    }
    let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap();
    (of(&trailers).expect("a status"), trailers)
}

#[tokio::test]
async fn a_message_that_does_not_come_is_not_waited_for() {
    let both = Both::start().await;
    let half = stream::iter([Bytes::from_static(&[0, 0, 0, 0, 9, 10])]).chain(stream::pending());
    let began = Instant::now();
    let late = raw(both.address, "PutResource", &[GRPC, ("grpc-timeout", "200m")], half).await;
    let (code, headers) = status(late).await;
    assert_eq!(code, Code::DeadlineExceeded);
    assert!(headers.contains_key("idempotency-key"), "{headers:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_does_not_call_itself_grpc_is_none() {
    let both = Both::start().await;
    let form =
        raw(both.address, "DeleteResource", &[("content-type", "text/plain")], stream::empty());
    assert_eq!(form.await.status(), 415);
}

fn framed(message: &v1::PushObservationsRequest) -> Bytes {
    frame(&message.encode_to_vec())
}

fn frame(bytes: &[u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    frame.extend(bytes);
    frame.into()
}

#[tokio::test]
async fn after_a_malformed_message_nothing_of_a_stream_is_believed() {
    use v1::push_observations_request::Outcome;
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    let observation = |pods: u64| v1::PushObservationsRequest {
        resource_id: "svc:a".to_owned(),
        outcome: Outcome::Ok.into(),
        metrics: Some(v1::Metrics { pod_count: Some(pods), ..Default::default() }),
        ..Default::default()
    };
    let malformed = Bytes::from_static(&[0, 0, 0, 0, 3, 0xff, 0xff, 0xff]);
    let sent =
        [framed(&observation(1)), framed(&observation(2)), malformed, framed(&observation(3))];
    let answer = raw(both.address, "PushObservations", &[GRPC], stream::iter(sent)).await;
    let (code, headers) = status(answer).await;
    assert!(matches!(code, Code::Internal | Code::InvalidArgument), "{code:?}");
    assert_eq!(headers["bellwether-accepted"], "2");
    let row = both.resources().get_resource(get()).await.unwrap().into_inner().resource.unwrap();
    assert_eq!(row.metrics.unwrap().pod_count, Some(2));
}

#[tokio::test]
async fn a_node_that_stops_lets_go_of_open_streams() {
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({})).await;
    let mut resources = both.resources();
    let pushing = tokio::spawn(async move { resources.push_observations(stream::pending()).await });
    let asked = HealthCheckRequest { service: String::new() };
    let mut health =
        HealthClient::new(both.channel.clone()).watch(asked).await.unwrap().into_inner();
    health.message().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    both.shutdown.cancel();
    let cut = pushing.await.unwrap().unwrap_err();
    assert_eq!(cut.code(), Code::Unavailable, "{cut}");
    assert_eq!(cut.metadata().get("bellwether-accepted").unwrap(), "0");
    while let Ok(Some(_)) = health.message().await {}
    both.task.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
