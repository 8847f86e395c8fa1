//! The host's figures, sampled once for all checks that ask.
//!
//! Invariant: rates cover the time since the previous sample, never less than
//! [`SHORTEST`]; a thread that hangs in the kernel holds up this sampler only, and no
//! second one joins it.

use std::{sync::Arc, time::Duration};

use model::{Metrics, Miss};
use sysinfo::{DiskRefreshKind, Disks, Networks, System};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, sleep_until},
};

use super::disks::usages;
use crate::probe::{
    fault::{Fault, Phase},
    timings::put,
};

/// The window of the first sample, and the least that a later one may cover.
const SHORTEST: Duration = Duration::from_millis(200);

/// Samples the host.
#[derive(Default)]
pub(crate) struct Sampler {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    instruments: Option<Instruments>,
    last: Option<(Instant, Metrics)>,
}

/// What remembers the counters of the previous sample.
struct Instruments {
    system: System,
    networks: Networks,
    disks: Disks,
    network_bytes: u64,
    read: Instant,
}

impl Sampler {
    /// The host's figures now; those of another check, if they are this fresh.
    pub(super) async fn sample(&self) -> Result<Metrics, Fault> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if let Some((read, metrics)) = &state.last
            && read.elapsed() < SHORTEST
        {
            return Ok(metrics.clone());
        }
        if state.instruments.is_none() {
            state = blocking(state, State::prepare).await?;
        }
        if let Some(instruments) = &state.instruments {
            sleep_until(instruments.read + SHORTEST).await;
        }
        state = blocking(state, State::read).await?;
        let last = state.last.as_ref().map(|(_, metrics)| metrics.clone());
        last.ok_or_else(|| Fault::missed(Miss::Crashed, "the host's figures were not read"))
    }
}

impl State {
    fn prepare(&mut self) -> Result<(), Fault> {
        let unusable = |error: sysinfo::Error| {
            Fault::missed(Miss::Resources, format!("cannot sample this host: {error:?}"))
        };
        let mut system = System::new().map_err(unusable)?;
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list().map_err(unusable)?;
        let disks = Disks::new().map_err(unusable)?;
        let network_bytes = network_bytes(&networks);
        let read = Instant::now();
        self.instruments = Some(Instruments { system, networks, disks, network_bytes, read });
        Ok(())
    }

    fn read(&mut self) -> Result<(), Fault> {
        let Some(instruments) = &mut self.instruments else {
            return self.prepare();
        };
        // Without a descriptor the figures would be those of the last time.
        let opened = std::fs::File::open("/proc/stat");
        let fault = opened.err().map(|error| Fault::io(&error, Phase::Waiting, "/proc/stat"));
        if let Some(fault) = fault.filter(|fault| !fault.is_failure()) {
            return Err(fault);
        }
        let metrics = instruments.read();
        self.last = Some((instruments.read, metrics));
        Ok(())
    }
}

impl Instruments {
    fn read(&mut self) -> Metrics {
        let mut metrics = Metrics::default();
        self.processors(&mut metrics);
        self.memory(&mut metrics);
        self.network(&mut metrics);
        self.disks(&mut metrics);
        if let Ok(seconds) = System::uptime() {
            put(&mut metrics, "uptime_seconds", number(seconds));
        }
        metrics
    }

    fn processors(&mut self, metrics: &mut Metrics) {
        self.system.refresh_cpu_usage();
        metrics.cpu_usage_percent =
            Some(f64::from(self.system.global_cpu_usage()).clamp(0.0, 100.0));
        put(metrics, "cpu_count", number(self.system.cpus().len() as u64));
        if let Ok(load) = System::load_average() {
            put(metrics, "load1", load.one);
            put(metrics, "load5", load.five);
            put(metrics, "load15", load.fifteen);
        }
    }

    fn memory(&mut self, metrics: &mut Metrics) {
        self.system.refresh_memory();
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        let used = total.saturating_sub(available);
        metrics.memory_usage_percent = percent(used, total);
        put(metrics, "memory_total_bytes", number(total));
        put(metrics, "memory_used_bytes", number(used));
        if let Some(swap) = percent(self.system.used_swap(), self.system.total_swap()) {
            put(metrics, "swap_usage_percent", swap);
        }
    }

    fn network(&mut self, metrics: &mut Metrics) {
        self.networks.refresh(true);
        let bytes = network_bytes(&self.networks);
        let now = Instant::now();
        let seconds = now.duration_since(self.read).as_secs_f64();
        // Counters start again with an interface; less than before is no rate at all.
        let moved = bytes.checked_sub(self.network_bytes).filter(|_| seconds > 0.0);
        metrics.network_io_bytes_per_sec = moved.map(|bytes| number(bytes) / seconds);
        (self.network_bytes, self.read) = (bytes, now);
    }

    fn disks(&mut self, metrics: &mut Metrics) {
        // The list alone: the space is asked for below, of real disks only, as `df` does.
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing());
        for (name, usage) in usages(&self.disks) {
            let fullest = metrics.disk_usage_percent.map_or(usage, |fullest| fullest.max(usage));
            metrics.disk_usage_percent = Some(fullest);
            put(metrics, &name, usage);
        }
    }
}

/// Runs a step that may block, on a thread for such work.
async fn blocking(
    mut state: OwnedMutexGuard<State>,
    step: impl FnOnce(&mut State) -> Result<(), Fault> + Send + 'static,
) -> Result<OwnedMutexGuard<State>, Fault> {
    let done = tokio::task::spawn_blocking(move || step(&mut state).map(|()| state)).await;
    done.unwrap_or_else(|error| Err(Fault::missed(Miss::Crashed, error.to_string())))
}

/// Bytes received and sent so far, loopback left out.
fn network_bytes(networks: &Networks) -> u64 {
    let real = networks.iter().filter(|(name, _)| !is_loopback(&name.to_string_lossy()));
    real.map(|(_, data)| data.total_received().saturating_add(data.total_transmitted())).sum()
}

fn is_loopback(name: &str) -> bool {
    name.strip_prefix("lo").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * number(part) / number(whole))
}

#[expect(clippy::cast_precision_loss, reason = "bytes and seconds are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
