//! Ours: reports over REST, and server-sent events over bare connections.
//!
//! A thousand full clients would take more of the shared processors than the servers.

use anyhow::{Result, ensure};
use harness::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::changes::{CHANGED, Reader, Writer};

const READ: usize = 64 * 1024;
const SYNCED: &[u8] = b"event: synced";
/// The name of the measurement that carries a change's number, as an event writes it.
const NUMBER: &[u8] = b"\"change\":";

fn id(number: usize) -> String {
    format!("watched:{}", number % CHANGED)
}

pub(super) fn declarations() -> Vec<(String, Value)> {
    let body =
        |n| json!({ "type": "SERVICE", "name": id(n), "check": { "push": { "ttl": "24h" } } });
    (0..CHANGED).map(|n| (id(n), body(n))).collect()
}

/// Reports to the nodes in turn. Each changes the health of its resource.
#[derive(Clone)]
pub(super) struct Reports(Vec<Client>);

impl Reports {
    pub(super) fn to(clients: Vec<Client>) -> Self {
        Self(clients)
    }
}

impl Writer for Reports {
    async fn change(&self, number: usize) -> Result<()> {
        let outcome = if (number / CHANGED).is_multiple_of(2) { "critical" } else { "ok" };
        let report = json!({ "outcome": outcome, "metrics": { "change": number } });
        let client = &self.0[number % self.0.len()];
        client.observe(&id(number), &report).await?.success().map(drop)
    }
}

/// A watch that is open and synced.
pub(super) struct Watch {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Watch {
    pub(super) async fn open(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let path = "/api/v1/infrastructure/watch";
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut watch = Self { stream, unread: Vec::new() };
        while find(&watch.unread, SYNCED).is_none() {
            watch.more().await?;
        }
        watch.unread.clear();
        Ok(watch)
    }

    async fn more(&mut self) -> Result<()> {
        self.unread.reserve(READ);
        let read = self.stream.read_buf(&mut self.unread).await?;
        ensure!(read > 0, "the node has ended the watch");
        Ok(())
    }
}

impl Reader for Watch {
    async fn next(&mut self, numbers: &mut Vec<usize>) -> Result<()> {
        self.more().await?;
        let whole = take_numbers(&self.unread, numbers);
        self.unread.drain(..whole);
        Ok(())
    }
}

/// The numbers of the events that are whole, and where the rest begins.
fn take_numbers(bytes: &[u8], numbers: &mut Vec<usize>) -> usize {
    let mut at = 0;
    while let Some(end) = find(&bytes[at..], b"\n\n") {
        let event = &bytes[at..at + end];
        if let Some(found) = find(event, NUMBER) {
            let digits = event[found + NUMBER.len()..].iter().take_while(|b| b.is_ascii_digit());
            numbers.push(digits.fold(0, |n, digit| n * 10 + usize::from(digit - b'0')));
        }
        at += end + 2;
    }
    at
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_whole_events() {
        let bytes = b"event: transition\ndata: {\"change\":17.0}\n\n: alive\n\ndata: {\"change\":1";
        let mut numbers = Vec::new();
        let rest = take_numbers(bytes, &mut numbers);
        assert_eq!(numbers, [17]);
        assert_eq!(&bytes[rest..], b"data: {\"change\":1");
    }
}
