//! How long an append of 256 bytes takes to be durable: fdatasync(2), again and again.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use super::super::error::CliError;

/// What this part may take, and how many samples are enough.
const SPAN: Duration = Duration::from_secs(2);
const ENOUGH: usize = 2_000;
const APPEND: [u8; 256] = [7; 256];

/// A latency's middle and tail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

impl Latency {
    /// The quantiles of some samples; zero without any.
    pub(super) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| {
            let place = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
            samples.get(place).copied().unwrap_or_default()
        };
        Self { p50: at(50), p99: at(99) }
    }
}

/// Measures the disk that `directory` lies on.
///
/// # Errors
/// What the disk says.
pub(super) async fn measure(directory: &Path) -> Result<Latency, CliError> {
    let path = directory.join("fdatasync");
    let samples = tokio::task::spawn_blocking(move || sync_repeatedly(&path)).await;
    let samples = samples.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    samples.map(Latency::of).map_err(|e| CliError::Failed(format!("fdatasync failed: {e}")))
}

fn sync_repeatedly(path: &Path) -> io::Result<Vec<Duration>> {
    let mut file = File::create(path)?;
    let (began, mut samples) = (Instant::now(), Vec::with_capacity(ENOUGH));
    while samples.len() < ENOUGH && began.elapsed() < SPAN {
        let sync_began = Instant::now();
        file.write_all(&APPEND)?;
        file.sync_data()?;
        samples.push(sync_began.elapsed());
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_the_samples() {
        let samples = (1..=100).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(samples);
        assert_eq!(latency.p50, Duration::from_millis(51));
        assert_eq!(latency.p99, Duration::from_millis(100));
        assert_eq!(Latency::of(Vec::new()).p99, Duration::ZERO);
    }
}
