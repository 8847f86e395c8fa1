//! A client that costs next to nothing: HTTP/1.1 (RFC 9112) over one kept-alive connection.
//!
//! Client and server share the processors here, so what a full client spends on itself would be
//! measured as the server's.

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer that is larger is none of ours.
const MAX_ANSWER: usize = 16 << 20;
const READ: usize = 64 * 1024;

/// An open connection with at most one request under way.
pub(super) struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

/// How the length of a body is told.
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub(super) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), buffer: Vec::new(), body: Vec::new() })
    }

    /// The body of a GET whose answer is 200.
    ///
    /// # Errors
    /// Any other status, and answers that cannot be read.
    pub(super) async fn get(&mut self, path: &str) -> Result<&[u8]> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let framing = framing(&self.buffer[..head])?;
        match framing {
            Framing::Length(length) => {
                while self.buffer.len() < head + length {
                    self.more().await?;
                }
                Ok(&self.buffer[head..head + length])
            }
            Framing::Chunked => self.chunks(head).await,
        }
    }

    async fn chunks(&mut self, mut at: usize) -> Result<&[u8]> {
        self.body.clear();
        loop {
            let line = loop {
                match find(&self.buffer[at..], b"\r\n") {
                    Some(end) => break at + end,
                    None => self.more().await?,
                }
            };
            let size = std::str::from_utf8(&self.buffer[at..line])?;
            let size = usize::from_str_radix(size, 16).context("a chunk without a size")?;
            let end = line + 2 + size;
            while self.buffer.len() < end + 2 {
                self.more().await?;
            }
            if size == 0 {
                return Ok(&self.body);
            }
            self.body.extend_from_slice(&self.buffer[line + 2..end]);
            at = end + 2;
        }
    }

    async fn more(&mut self) -> Result<()> {
        ensure!(self.buffer.len() <= MAX_ANSWER, "the answer is too large");
        self.buffer.reserve(READ);
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the connection was closed");
        Ok(())
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn framing(head: &[u8]) -> Result<Framing> {
    let head = std::str::from_utf8(head)?;
    let (first, rest) = head.split_once("\r\n").context("no status line")?;
    ensure!(first.split(' ').nth(1) == Some("200"), "answered by {first}");
    for line in rest.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Framing::Length(value.trim().parse()?));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim() == "chunked" {
            return Ok(Framing::Chunked);
        }
    }
    bail!("the answer does not say how long it is")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Sends one answer in two pieces to each request.
    async fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                let (first, second) = answer.as_bytes().split_at(answer.len() / 2);
                stream.write_all(first).await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(second).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn bodies_are_read_by_length_and_in_chunks() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ] {
            let mut connection = Connection::open(&serve(answer).await).await.unwrap();
            for _ in 0..2 {
                assert_eq!(connection.get("/").await.unwrap(), b"hello");
            }
        }
    }

    #[tokio::test]
    async fn any_status_but_200_is_an_error() {
        let address = serve("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
        let mut connection = Connection::open(&address).await.unwrap();
        let error = connection.get("/").await.unwrap_err();
        assert_eq!(error.to_string(), "answered by HTTP/1.1 503 Busy");
    }
}
