//! The API on a real socket: keep-alive, graceful end.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bellwether_api::{Hooks, Limits, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::support::{App, WATCH};

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn server(limits: Limits) -> Server {
    let app = App::with(Hooks { limits, ..Hooks::default() }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, app.state(), shutdown.clone()));
    Server { address, shutdown, task }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains(end) {
        let read = stream.read(&mut buffer);
        let count = tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        assert!(count > 0, "the connection ended after {text}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_connection_takes_one_request_after_another() {
    let server = server(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        ask(&mut stream, "/livez").await;
        let answer = read_until(&mut stream, "ok\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
    }
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_stops_closes_idle_connections_and_ends_watches() {
    let server = server(Limits::default()).await;
    let _idle = TcpStream::connect(server.address).await.unwrap();
    let mut watch = TcpStream::connect(server.address).await.unwrap();
    ask(&mut watch, WATCH).await;
    read_until(&mut watch, "event: synced").await;
    let began = Instant::now();
    server.shutdown.cancel();
    read_until(&mut watch, "event: bookmark").await;
    server.task.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(6), "took {:?}", began.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn who_says_nothing_is_disconnected() {
    let server = server(Limits { stall: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut buffer = [0; 16];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await;
    assert!(matches!(read.unwrap(), Ok(0) | Err(_)), "the connection is closed");
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_beyond_its_bound_is_refused() {
    let server = server(Limits::default()).await;
    for (size, status) in [(50 * 1024, "200 OK"), (70 * 1024, "431 ")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let lines = (0..size / 1024).map(|n| format!("X-{n:02}: {}\r\n", "a".repeat(1024 - 8)));
        let head =
            format!("GET /livez HTTP/1.1\r\nHost: test\r\n{}\r\n", lines.collect::<String>());
        // A server that has seen enough may close before it has read all.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = read_until(&mut stream, "\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{size}: {answer}");
    }
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
}
