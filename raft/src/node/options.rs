//! How to open a node.

#[cfg(test)]
use std::time::Duration;
use std::{path::PathBuf, sync::Arc};

use model::{NodeId, event::ClusterIdentity};

#[cfg(test)]
use crate::group::Shortening;
use crate::{
    clock::{Clock, SystemClock},
    disk::{Disk, Fatal, MemoryDisk},
    peer::{Alone, PeerTransport},
    room::Gauge,
};

/// How to open a node.
pub struct Options {
    /// The cluster's name.
    pub cluster_name: String,
    /// How many shards the cluster has, fixed when it is founded.
    pub shards: u32,
    /// The data directory; absent for a node in memory.
    pub data_dir: Option<PathBuf>,
    /// Go on although a group's log ends before what was synced (SEMANTICS 26).
    pub accept_data_loss: bool,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// What happens when the store can no longer be trusted.
    pub fatal: Fatal,
    /// A disk to use instead of the data directory's.
    pub disk: Option<Arc<dyn Disk>>,
    /// What is kept free on the data directory's file system, in bytes; absent: a twentieth of
    /// it, at most 256 MiB.
    pub disk_reserve: Option<u64>,
    /// Measures that file system; absent: the system does.
    pub disk_gauge: Option<Gauge>,
    /// Told how many groups are open, of how many.
    pub progress: Arc<dyn Fn(u32, u32) + Send + Sync>,
    /// Whether this node is alone for good: then it may found its groups anew, should its store be
    /// lost and that be accepted.
    pub alone: bool,
    /// Reaches the other nodes.
    pub transport: Arc<dyn PeerTransport>,
    /// Where a fresh directory does not found a cluster but becomes a node of one that exists.
    pub joins: Option<Joins>,
    #[cfg(test)]
    pub(crate) simulated: Option<Simulated>,
}

/// What is otherwise in a simulation, which has no threads.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(crate) struct Simulated {
    /// How long an fsync takes.
    pub(crate) fsync: fn() -> Duration,
    /// How long entries take to be applied.
    pub(crate) apply: fn() -> Duration,
    pub(crate) shortening: Shortening,
}

/// What a node that joins a cluster was told by it.
#[derive(Debug, Clone)]
pub struct Joins {
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// Its own id, never used before.
    pub node: NodeId,
}

impl Options {
    /// A node with a data directory that founds a cluster of one.
    #[must_use]
    pub fn on_disk(name: &str, shards: u32, data_dir: PathBuf, fatal: Fatal) -> Self {
        Self { data_dir: Some(data_dir), disk: None, fatal, ..Self::in_memory(name, shards) }
    }

    /// A node whose disk is memory, and which panics where a real one would exit.
    #[must_use]
    pub fn in_memory(name: &str, shards: u32) -> Self {
        Self {
            cluster_name: name.to_owned(),
            shards,
            data_dir: None,
            accept_data_loss: false,
            clock: Arc::new(SystemClock::new()),
            fatal: Arc::new(|why| panic!("{why}")),
            disk: Some(Arc::new(MemoryDisk::new())),
            disk_reserve: None,
            disk_gauge: None,
            progress: Arc::new(|_, _| {}),
            alone: true,
            transport: Arc::new(Alone),
            joins: None,
            #[cfg(test)]
            simulated: None,
        }
    }
}
