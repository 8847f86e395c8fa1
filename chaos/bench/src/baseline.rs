//! What the machine does by itself: fdatasync of the disk, round trip of the loopback.
//!
//! Both are logged with every benchmark, because a shared machine is another one each minute.

use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::Instant,
};

use anyhow::{Context, Result};

use crate::load::{Histogram, milliseconds};

/// Appends of this size are synced: a small log entry.
const APPEND: usize = 256;
const SYNCS: u32 = 300;
const ROUND_TRIPS: u32 = 2_000;
/// A small message on the wire.
const MESSAGE: usize = 64;

/// A latency's middle and tail.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// The median, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
}

/// What the machine did when it was asked for nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Baseline {
    /// An append of 256 bytes to a file and fdatasync(2).
    pub disk: Latency,
    /// 64 bytes there and back over TCP on 127.0.0.1.
    pub loopback: Latency,
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (disk, net) = (self.disk, self.loopback);
        write!(
            f,
            "fdatasync p50 {:.3} ms, p99 {:.3} ms; round trip p50 {:.3} ms, p99 {:.3} ms",
            disk.p50_ms, disk.p99_ms, net.p50_ms, net.p99_ms
        )
    }
}

/// Measures both, in less than a second on a usual disk.
///
/// # Errors
/// Where `directory` cannot be written, or there is no loopback.
pub async fn measure(directory: &Path) -> Result<Baseline> {
    let directory = directory.to_owned();
    let measured = tokio::task::spawn_blocking(move || {
        Ok(Baseline { disk: fdatasync(&directory)?, loopback: loopback()? })
    });
    measured.await?
}

fn fdatasync(directory: &Path) -> Result<Latency> {
    let mut file = tempfile::tempfile_in(directory)
        .with_context(|| format!("cannot write in {}", directory.display()))?;
    let mut times = Histogram::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        append_and_sync(&mut file)?;
        times.record(began.elapsed());
    }
    Ok(latency(&times))
}

fn append_and_sync(file: &mut File) -> Result<()> {
    file.seek(SeekFrom::End(0))?;
    file.write_all(&[7; APPEND])?;
    Ok(file.sync_data()?)
}

fn loopback() -> Result<Latency> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut message = [0; MESSAGE];
        for _ in 0..ROUND_TRIPS {
            stream.read_exact(&mut message)?;
            stream.write_all(&message)?;
        }
        Ok(())
    });
    let times = ping(TcpStream::connect(address)?)?;
    echo.join().map_err(|_| anyhow::anyhow!("the echo has panicked"))??;
    Ok(latency(&times))
}

fn ping(mut stream: TcpStream) -> Result<Histogram> {
    stream.set_nodelay(true)?;
    let (mut times, mut message) = (Histogram::new(), [1; MESSAGE]);
    for _ in 0..ROUND_TRIPS {
        let began = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        times.record(began.elapsed());
    }
    Ok(times)
}

fn latency(times: &Histogram) -> Latency {
    Latency {
        p50_ms: milliseconds(times.quantile(0.5)),
        p99_ms: milliseconds(times.quantile(0.99)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_disk_and_the_loopback_take_some_time() {
        let directory = tempfile::tempdir().unwrap();
        let baseline = measure(directory.path()).await.unwrap();
        assert!(baseline.disk.p50_ms > 0.0 && baseline.disk.p99_ms >= baseline.disk.p50_ms);
        assert!(baseline.loopback.p50_ms > 0.0);
    }
}
