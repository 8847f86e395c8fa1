//! The servers behind the targets: just enough HTTP/1.1 (RFC 9112), and a banner over TCP.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::Target;

/// A request head that is longer is not a probe's.
const MAX_HEAD: usize = 16 * 1024;

/// Serves `GET /t/N`. Connections end with the task, because it owns them.
pub(super) async fn http(listener: TcpListener, targets: Vec<Arc<Target>>) {
    let targets: Arc<[_]> = targets.into();
    let mut connections = JoinSet::new();
    while let Some(stream) = accept(&listener, &mut connections).await {
        connections.spawn(http_connection(stream, Arc::clone(&targets)));
    }
}

/// Sends the state of one target to whoever connects.
pub(super) async fn tcp(listener: TcpListener, target: Arc<Target>) {
    let mut connections = JoinSet::new();
    while let Some(mut stream) = accept(&listener, &mut connections).await {
        let banner: &[u8] = if target.probed() { b"ok\n" } else { b"down\n" };
        connections.spawn(async move {
            let _ = stream.write_all(banner).await;
            let _ = stream.shutdown().await;
        });
    }
}

async fn accept(listener: &TcpListener, connections: &mut JoinSet<()>) -> Option<TcpStream> {
    while connections.try_join_next().is_some() {}
    listener.accept().await.ok().map(|(stream, _)| stream)
}

async fn http_connection(mut stream: TcpStream, targets: Arc<[Arc<Target>]>) {
    let mut unread = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut unread).await {
        let up = path_number(&head).and_then(|n| targets.get(n)).map(|target| target.probed());
        let (status, body) = match up {
            Some(true) => ("200 OK", "ok"),
            Some(false) => ("503 Service Unavailable", "down"),
            None => ("404 Not Found", "no such target"),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// One request's head; `unread` keeps what came after it.
async fn read_head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            return String::from_utf8(head).ok();
        }
        let read = stream.read_buf(unread).await.ok()?;
        if read == 0 || unread.len() > MAX_HEAD {
            return None;
        }
    }
}

fn path_number(head: &str) -> Option<usize> {
    head.split(' ').nth(1)?.strip_prefix("/t/")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::{Protocol, Targets};

    #[tokio::test]
    async fn every_probe_is_logged_with_the_answer_that_it_got() {
        let targets = Targets::start(Protocol::Http, 2).await.unwrap();
        targets.target(1).set_up(false);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for (n, status) in [(0, 200), (1, 503), (1, 503)] {
            assert_eq!(http.get(targets.url(n)).send().await.unwrap().status(), status);
        }
        assert_eq!(targets.target(0).log().iter().map(|p| p.up).collect::<Vec<_>>(), [true]);
        assert_eq!(targets.target(1).log().iter().filter(|p| !p.up).count(), 2);
    }

    #[tokio::test]
    async fn a_stopped_target_refuses_and_comes_back_on_its_port() {
        let mut targets = Targets::start(Protocol::Tcp, 1).await.unwrap();
        let address = targets.address(0);
        targets.stop().await;
        assert!(TcpStream::connect(address).await.is_err());
        targets.listen().await.unwrap();
        let mut banner = String::new();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.read_to_string(&mut banner).await.unwrap();
        assert_eq!((banner.as_str(), targets.target(0).log().len()), ("ok\n", 1));
    }
}
