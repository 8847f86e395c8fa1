//! Targets that flip, and the book of what they told and what clients have seen of it.

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
    /// By reader.
    seen: Mutex<[Histogram; READERS]>,
    server: Mutex<JoinSet<()>>,
}

struct Target {
    up: AtomicBool,
    book: Mutex<Book>,
}

/// What one target has told, and of that what each reader has not seen yet.
struct Book {
    told: bool,
    unseen: [VecDeque<Told>; READERS],
}

/// Who sees what targets have told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    /// A watch.
    Watch,
    /// A consumer of the topic.
    Topic,
}

const READERS: usize = 2;

#[derive(Clone, Copy)]
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
            seen: Mutex::default(),
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

    /// A reader has the transition of a target. Returns when it was told, where that counts.
    ///
    /// # Errors
    /// The target has told no such thing.
    pub(super) fn arrived(
        &self,
        reader: Reader,
        n: usize,
        up: bool,
        at: Instant,
    ) -> Result<Option<Instant>> {
        let target = self.targets.get(n).context("there is no such target")?;
        let told = locked(&target.book).unseen[reader as usize].pop_front();
        let told = told.with_context(|| format!("target {n} has told no change"))?;
        ensure!(told.up == up, "target {n} told up: {}, the reader is told {up}", told.up);
        if told.counts {
            let late = at.saturating_duration_since(told.at);
            locked(&self.seen)[reader as usize].record(late);
        }
        Ok(told.counts.then_some(told.at))
    }

    /// The times that count, and how many transitions a reader has not seen.
    pub(super) fn seen(&self, reader: Reader) -> (Histogram, usize) {
        let unseen = |target: &Target| locked(&target.book).unseen[reader as usize].len();
        let lost = self.targets.iter().map(unseen).sum();
        (locked(&self.seen)[reader as usize].clone(), lost)
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
        let book = Book { told: true, unseen: Default::default() };
        Self { up: AtomicBool::new(true), book: Mutex::new(book) }
    }

    fn tell(&self, up: bool, counts: bool) {
        let mut book = locked(&self.book);
        if book.told != up {
            book.told = up;
            let told = Told { up, at: Instant::now(), counts };
            book.unseen.iter_mut().for_each(|unseen| unseen.push_back(told));
        }
    }
}

/// Flips random targets, on average so many a second, with the gaps of a Poisson process.
pub(super) async fn flip(flips: Arc<Flips>, a_second: f64, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut next = Instant::now();
    loop {
        next += gap(&mut random, a_second);
        sleep_until(next.into()).await;
        let target = &flips.targets[random.random_range(0..flips.targets.len())];
        target.up.fetch_xor(true, Ordering::SeqCst);
    }
}

/// Until the next event of a Poisson process with so many a second.
pub(super) fn gap(random: &mut StdRng, a_second: f64) -> Duration {
    let uniform: f64 = random.random_range(f64::EPSILON..1.0);
    Duration::from_secs_f64(-uniform.ln() / a_second)
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
        let seen = |reader| (flips.seen(reader).0.count(), flips.seen(reader).1);
        assert_eq!(seen(Reader::Watch), (0, 1));
        let told = flips.arrived(Reader::Watch, 0, false, Instant::now()).unwrap();
        assert!(told.is_some());
        assert_eq!((seen(Reader::Watch), seen(Reader::Topic)), ((1, 0), (0, 1)));
        assert!(flips.arrived(Reader::Watch, 0, true, Instant::now()).is_err());
    }
}
