//! Targets that flip, and the book of what they told and what the client has seen of it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep_until,
};

use crate::load::Histogram;

/// A request that is longer is none of ours.
const MAX_HEAD: usize = 8 * 1024;

/// See the module. All are up at first.
pub(super) struct Flips {
    address: SocketAddr,
    targets: Vec<Target>,
    measuring: AtomicBool,
    seen: Mutex<Histogram>,
    server: Mutex<JoinSet<()>>,
}

struct Target {
    up: AtomicBool,
    book: Mutex<Book>,
}

/// What one target has told, and the client has not seen yet.
struct Book {
    told: bool,
    unseen: VecDeque<Told>,
}

struct Told {
    up: bool,
    at: Instant,
    counts: bool,
}

impl Flips {
    /// Serves `count` targets on a port of its own.
    pub(super) async fn serve(count: usize) -> Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let flips = Arc::new(Self {
            address: listener.local_addr()?,
            targets: (0..count).map(|_| Target::new()).collect(),
            measuring: AtomicBool::new(false),
            seen: Mutex::new(Histogram::new()),
            server: Mutex::default(),
        });
        // The server must not keep alive what stops it.
        let served = Arc::downgrade(&flips);
        locked(&flips.server).spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(flips) = served.upgrade() else { return };
                tokio::spawn(async move { flips.answer(stream).await });
            }
        });
        Ok(flips)
    }

    pub(super) fn url(&self, n: usize) -> String {
        format!("http://{}/{n}", self.address)
    }

    /// Whether what is told from now on counts.
    pub(super) fn measure(&self, on: bool) {
        self.measuring.store(on, Ordering::SeqCst);
    }

    /// The client has the transition of a target.
    ///
    /// # Errors
    /// The target has told no such thing.
    pub(super) fn arrived(&self, n: usize, up: bool, at: Instant) -> Result<()> {
        let target = self.targets.get(n).context("there is no such target")?;
        let told = locked(&target.book).unseen.pop_front();
        let told = told.with_context(|| format!("target {n} has told no change"))?;
        ensure!(told.up == up, "target {n} told up: {}, the client is told {up}", told.up);
        if told.counts {
            locked(&self.seen).record(at.saturating_duration_since(told.at));
        }
        Ok(())
    }

    /// The times that count, and how many transitions the client has not seen.
    pub(super) fn seen(&self) -> (Histogram, usize) {
        let lost = self.targets.iter().map(|target| locked(&target.book).unseen.len()).sum();
        (locked(&self.seen).clone(), lost)
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(read) if read > 0 && head.len() < MAX_HEAD => {}
                _ => return,
            }
        }
        let Some(target) = number(&head).and_then(|n| self.targets.get(n)) else { return };
        let up = target.up.load(Ordering::SeqCst);
        let status = if up { "200 OK" } else { "503 Service Unavailable" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        // Noted before it is sent: the client may have the event before this task goes on.
        target.tell(up, self.measuring.load(Ordering::SeqCst));
        // A probe that has gone away will see the change with the next one.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

impl Target {
    fn new() -> Self {
        let book = Book { told: true, unseen: VecDeque::new() };
        Self { up: AtomicBool::new(true), book: Mutex::new(book) }
    }

    fn tell(&self, up: bool, counts: bool) {
        let mut book = locked(&self.book);
        if book.told != up {
            book.told = up;
            book.unseen.push_back(Told { up, at: Instant::now(), counts });
        }
    }
}

/// Flips random targets, on average so many a second, with the gaps of a Poisson process.
pub(super) async fn flip(flips: Arc<Flips>, a_second: f64, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut next = Instant::now();
    loop {
        let uniform: f64 = random.random_range(f64::EPSILON..1.0);
        next += Duration::from_secs_f64(-uniform.ln() / a_second);
        sleep_until(next.into()).await;
        let target = &flips.targets[random.random_range(0..flips.targets.len())];
        target.up.fetch_xor(true, Ordering::SeqCst);
    }
}

fn number(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(head).ok()?.split(' ').nth(1)?.strip_prefix('/')?.parse().ok()
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_told_once_and_measured_until_the_client_has_it() {
        let flips = Flips::serve(1).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        flips.measure(true);
        flips.targets[0].up.store(false, Ordering::SeqCst);
        for _ in 0..2 {
            assert_eq!(http.get(flips.url(0)).send().await.unwrap().status(), 503);
        }
        assert_eq!(flips.seen().1, 1);
        flips.arrived(0, false, Instant::now()).unwrap();
        assert_eq!((flips.seen().0.count(), flips.seen().1), (1, 0));
        assert!(flips.arrived(0, true, Instant::now()).is_err());
    }
}
