//! Clients that ask for everything and are slow to take it: what a node must not hold in memory
//! for them, however many there are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

/// How long one of them dawdles over an answer.
const DAWDLE: Duration = Duration::from_millis(2_500);
const PAUSE: Duration = Duration::from_millis(20);

/// Such clients. They go when this is dropped.
#[derive(Debug)]
pub(crate) struct Hungry {
    counted: Arc<Counted>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counted {
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Hungry {
    /// Lets so many lists be asked for at `address`, again and again.
    pub(crate) fn start(address: &str, path: &str, clients: usize) -> Self {
        let counted = Arc::<Counted>::default();
        let one = |_| {
            let (address, counted) = (address.to_owned(), Arc::clone(&counted));
            let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
            tokio::spawn(async move {
                loop {
                    // A refused or broken connection says nothing; the next one may.
                    let _ = eat(&address, &request, &counted).await;
                    tokio::time::sleep(PAUSE).await;
                }
            })
        };
        let tasks = (0..clients).map(one).collect();
        Self { counted, tasks }
    }

    /// How many were answered (200), and how many were refused with 503.
    pub(crate) fn counted(&self) -> (u64, u64) {
        let Counted { answered, refused } = &*self.counted;
        (answered.load(Ordering::SeqCst), refused.load(Ordering::SeqCst))
    }
}

impl Drop for Hungry {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Reads the status line and leaves the rest where it is.
async fn eat(address: &str, request: &str, counted: &Counted) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    match &head[9..] {
        b"200" => counted.answered.fetch_add(1, Ordering::SeqCst),
        b"503" => counted.refused.fetch_add(1, Ordering::SeqCst),
        _ => 0,
    };
    tokio::time::sleep(DAWDLE).await;
    Ok(())
}
