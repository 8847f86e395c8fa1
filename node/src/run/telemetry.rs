//! The node's own figures, in one registry.

use std::sync::Arc;

use actors::{metrics::Metrics, publisher::PublishMetrics};
use net::PeerMetrics;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use raft::Shards;

use super::memory::Memory;

/// Everything that a node counts and that is not counted by the API itself.
#[derive(Clone, Default)]
pub(super) struct NodeMetrics {
    pub(super) actors: Metrics,
    pub(super) publishing: PublishMetrics,
    pub(super) peers: PeerMetrics,
    reload_succeeded: Gauge,
}

impl NodeMetrics {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn reloaded(&self, succeeded: bool) {
        self.reload_succeeded.set(i64::from(succeeded));
    }

    /// A registry of all of them.
    pub(super) fn registry(&self, shards: &Shards, memory: &Memory) -> Arc<Registry> {
        let mut registry = Registry::default();
        self.publishing.register(&mut registry);
        let own = registry.sub_registry_with_prefix("bellwether");
        self.actors.register(own);
        self.peers.register(own);
        let help = "Whether the last load of the configuration succeeded";
        own.register("config_last_reload_successful", help, self.reload_succeeded.clone());
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        own.register("build", "The version that runs", Info::new(version));
        registry.register_collector(Box::new(Syncs(shards.clone())));
        registry.register_collector(Box::new(Guards(shards.clone(), memory.clone())));
        registry.register_collector(Box::new(Process));
        Arc::new(registry)
    }
}

/// How long fsyncs took, as the count and the sum of a summary.
struct Syncs(Shards);

impl std::fmt::Debug for Syncs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Syncs")
    }
}

impl Collector for Syncs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (count, took) = self.0.sync_stats();
        let syncs = ConstCounter::new(count);
        let help = "Times that the log was made durable";
        let metric =
            encoder.encode_descriptor("bellwether_raft_syncs", help, None, syncs.metric_type())?;
        syncs.encode(metric)?;
        let seconds = ConstCounter::new(took.as_secs_f64());
        let help = "Time that making the log durable took, in all";
        let unit = Some(&Unit::Seconds);
        let name = "bellwether_raft_sync_duration";
        seconds.encode(encoder.encode_descriptor(name, help, unit, seconds.metric_type())?)
    }
}

/// What is left of the disk and of memory, and whether that is too little.
struct Guards(Shards, Memory);

impl std::fmt::Debug for Guards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guards")
    }
}

impl Collector for Guards {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut show = |name, help, value| gauge(&mut encoder, name, help, value);
        if let Some(room) = self.0.disk_room() {
            let help = "What is free on the data directory's file system";
            show("bellwether_disk_free_bytes", help, number(room.free))?;
            let help = "What is kept free there";
            show("bellwether_disk_reserve_bytes", help, number(room.reserve))?;
            let help = "Whether writes are refused because the disk is full";
            show("bellwether_disk_full", help, i64::from(room.full))?;
        }
        if let Some((limit, shedding)) = self.1.limit() {
            let help = "How much memory this process may use";
            show("bellwether_memory_limit_bytes", help, number(limit))?;
            let help = "Whether lists and watches are refused because memory is short";
            show("bellwether_memory_shedding", help, i64::from(shedding))?;
        }
        Ok(())
    }
}

/// What every Prometheus client exposes of its process.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(usage) = Usage::read() else { return Ok(()) };
        let cpu = ConstCounter::new(usage.cpu_seconds);
        let help = "Processor time that this process used";
        let metric = encoder.encode_descriptor(
            "process_cpu",
            help,
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?;
        cpu.encode(metric)?;
        gauge(&mut encoder, "process_resident_memory_bytes", "Memory in use", usage.resident)?;
        gauge(&mut encoder, "process_open_fds", "Open file descriptors", usage.open_files)
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: i64,
) -> Result<(), std::fmt::Error> {
    let gauge: prometheus_client::metrics::gauge::ConstGauge<i64> =
        prometheus_client::metrics::gauge::ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

/// What the system says of this process; nothing where it has no `/proc`.
struct Usage {
    cpu_seconds: f64,
    resident: i64,
    open_files: i64,
}

impl Usage {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the name in parentheses, which may hold spaces.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks: u32 =
            fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
        let pages: i64 = fields.get(21)?.parse().ok()?;
        let page = i64::try_from(rustix::param::page_size()).ok()?;
        let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
        let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
        Some(Self {
            cpu_seconds: f64::from(ticks) / f64::from(per_second),
            resident: pages * page,
            open_files: i64::try_from(open).ok()?,
        })
    }
}
