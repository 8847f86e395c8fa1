//! What can go wrong, by what the caller does next.

use std::{io, path::PathBuf};

use model::{NodeId, ShardId};
use serde::{Deserialize, Serialize};

/// Why a proposal has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ProposeError {
    /// Ask the leader.
    #[error("shard {shard} is led by {}", .leader.map_or_else(|| "nobody".to_owned(), |n| format!("node {n}")))]
    NotLeader {
        /// Which shard.
        shard: ShardId,
        /// Who leads it, where known.
        leader: Option<NodeId>,
    },
    /// May have been executed: read again, or repeat with the same request id.
    #[error("outcome unknown on shard {0}; it is safe to repeat with the same idempotency key")]
    Unknown(ShardId),
    /// Nothing was done: come back later.
    #[error("shard {0} is overloaded")]
    Overloaded(ShardId),
    /// Nothing was done: there is no room on the disk. Come back when there is.
    #[error(
        "the disk is full: the file system of {} has {} left and {} are kept free; \
         free space there, or move the data directory to a larger one",
        .path.display(), mib(*.free), mib(*.reserve)
    )]
    DiskFull {
        /// The data directory.
        path: PathBuf,
        /// What may still be written, in bytes.
        free: u64,
        /// What is kept free, in bytes.
        reserve: u64,
    },
    /// The node is stopping.
    #[error("shard {0} is stopping")]
    Stopping(ShardId),
}

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// These shards did not answer.
    #[error("shards {} do not answer", list(.0))]
    Unavailable(Vec<ShardId>),
    /// The position is older than what is kept: list again (SEMANTICS 13).
    #[error("the cursor is older than the changes that are kept; list again and watch from there")]
    Gone,
    /// The cursor belongs to another cluster, or another life of this one.
    #[error("the cursor belongs to another cluster")]
    ForeignCursor,
    /// A stored record is damaged; it is not served.
    #[error("stored record is damaged: {0}")]
    Corrupt(String),
}

fn list(shards: &[ShardId]) -> String {
    shards.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Why a data directory cannot be opened. Each message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("{0} is in use by another process; stop it, or choose another data_dir")]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error(
        "cannot use {path}: {source}; check that the directory exists, is writable and has space"
    )]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is not enough room to open what is there.
    #[error(
        "the file system of {} has {} left, opening what is there takes {}; \
         free space there, or move the data directory to a larger one",
        .path.display(), mib(*.free), mib(*.needed)
    )]
    DiskFull {
        /// The data directory.
        path: PathBuf,
        /// What may still be written, in bytes.
        free: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
    /// It was written by a version that this one does not know.
    #[error(
        "{path} has format {found}, this version reads up to {known}; run the version that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// It belongs to another cluster.
    #[error(
        "{path} belongs to cluster {found:?}, the configuration says {expected:?}; choose another data_dir or correct cluster.name"
    )]
    ForeignCluster {
        /// The data directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// It belongs to another node.
    #[error("{path} belongs to {found}, this is {expected}; choose another data_dir")]
    ForeignNode {
        /// The data directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The number of shards is fixed when a cluster is founded.
    #[error(
        "{path} was founded with {found} shards, the configuration says {expected}; set cluster.shards to {found}"
    )]
    ShardCount {
        /// The data directory.
        path: PathBuf,
        /// How many it has.
        found: u32,
        /// How many the configuration says.
        expected: u32,
    },
    /// A group's log ends before what was synced (SEMANTICS 26).
    #[error(
        "group {group} has lost acknowledged entries: its log ends at {found}, {synced} was synced; restore the disk. In a cluster of several nodes, remove this node from it (bellwether cluster remove NODE, asked of another node) and start it with an empty data_dir, so that it joins as a new one; one that is alone can start once with --accept-data-loss to go on without them"
    )]
    LogWentBackwards {
        /// Which group.
        group: u64,
        /// Where its log ends.
        found: u64,
        /// What was synced.
        synced: u64,
    },
    /// The directory belongs to a node of a cluster, and its store is gone.
    #[error(
        "{0} is gone, and with it what this node has promised to the others: remove it from the cluster (bellwether cluster remove NODE, asked of another node), and start it with an empty data_dir, so that it joins as a new node"
    )]
    StoreLost(PathBuf),
    /// A record is damaged.
    #[error(
        "stored record is damaged: {0}; restore the data directory from a copy, or move it away to start afresh"
    )]
    Corrupt(String),
    /// Consensus did not start.
    #[error("group {group} did not start: {detail}")]
    Consensus {
        /// Which group.
        group: u64,
        /// What openraft said.
        detail: String,
    },
}
