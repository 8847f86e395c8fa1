//! Whose data directory this is: the file `CLUSTER`, and the lock that keeps others out.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use model::{NodeId, event::ClusterIdentity};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::OpenError;

/// The format of the data directory that this version writes.
const FORMAT: u32 = 1;
/// The id of a cluster's first node.
const FOUNDER: NodeId = NodeId(1);
const NAME: &str = "CLUSTER";
const LOCK: &str = "LOCK";

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    format: u32,
    pub(crate) cluster_id: Uuid,
    pub(crate) cluster_name: String,
    pub(crate) cluster_incarnation: u64,
    pub(crate) node_id: NodeId,
    pub(crate) shards: u32,
    /// Whether its groups were founded: they never are again, whatever becomes of the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) founded: bool,
}

/// The identity and what shows that none of its bits has changed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    identity: Identity,
    /// Absent in what versions without it have written.
    #[serde(default)]
    checksum: Option<u32>,
}

/// The format alone, which every version can read.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Whether a data directory belongs to no node yet.
#[must_use]
pub fn is_fresh(directory: &Path) -> bool {
    !directory.join(NAME).exists()
}

impl Identity {
    pub(crate) fn found(cluster_name: &str, shards: u32, cluster_id: Uuid) -> Self {
        Self {
            format: FORMAT,
            cluster_id,
            cluster_name: cluster_name.to_owned(),
            cluster_incarnation: 1,
            node_id: FOUNDER,
            shards,
            founded: false,
        }
    }

    /// Of a node that joins a cluster which others founded.
    pub(crate) fn joined(cluster: &ClusterIdentity, shards: u32, node_id: NodeId) -> Self {
        Self {
            cluster_incarnation: cluster.incarnation,
            node_id,
            ..Self::found(&cluster.name, shards, cluster.id)
        }
    }

    /// The same once its groups were founded.
    pub(crate) fn once_founded(&self) -> Self {
        Self { founded: true, ..self.clone() }
    }

    /// Whether this node founded its cluster: ids are never used again.
    pub(crate) fn is_founder(&self) -> bool {
        self.node_id == FOUNDER
    }

    pub(crate) fn cluster(&self) -> ClusterIdentity {
        ClusterIdentity {
            id: self.cluster_id,
            incarnation: self.cluster_incarnation,
            name: self.cluster_name.clone(),
        }
    }

    /// Reads the file of a directory; `None` in a fresh one.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = directory.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let damaged =
            |error: serde_json::Error| OpenError::Corrupt(format!("{}: {error}", path.display()));
        let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(OpenError::NewerFormat { path, found: format, known: FORMAT });
        }
        let Sealed { identity, checksum } = serde_json::from_str(&text).map_err(damaged)?;
        if checksum.is_some_and(|sum| sum != identity.checksum()) {
            let what = format!("{}: its checksum does not match", path.display());
            return Err(OpenError::Corrupt(what));
        }
        Ok(Some(identity))
    }

    /// Covers what was read rather than its spelling.
    fn checksum(&self) -> u32 {
        crc32c::crc32c(&serde_json::to_vec(self).expect("an identity is plain data"))
    }

    /// Writes the file so that a crash leaves all of it or none.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), OpenError> {
        let path = directory.join(NAME);
        let sealed = Sealed { identity: self.clone(), checksum: Some(self.checksum()) };
        let text = serde_json::to_string_pretty(&sealed).expect("an identity is plain data");
        let fresh = path.with_extension("new");
        let written = File::create(&fresh).and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(directory)?.sync_all()
        });
        written.map_err(|source| OpenError::Io { path, source })
    }

    /// Refuses a directory of another cluster, or one with another number of shards.
    pub(crate) fn check(&self, directory: &Path, name: &str, shards: u32) -> Result<(), OpenError> {
        let path = directory.to_owned();
        if self.cluster_name != name {
            let (found, expected) = (self.cluster_name.clone(), name.to_owned());
            return Err(OpenError::ForeignCluster { path, found, expected });
        }
        if self.shards != shards {
            return Err(OpenError::ShardCount { path, found: self.shards, expected: shards });
        }
        Ok(())
    }
}

impl Identity {
    /// Refuses the disk of another node, or of another cluster with the same name.
    pub(crate) fn check_node(
        &self,
        directory: &Path,
        cluster: &ClusterIdentity,
        node: NodeId,
    ) -> Result<(), OpenError> {
        if self.cluster_id == cluster.id && self.node_id == node {
            return Ok(());
        }
        Err(OpenError::ForeignNode {
            path: directory.to_owned(),
            found: format!("node {} of cluster {}", self.node_id, self.cluster_id),
            expected: format!("node {node} of cluster {}", cluster.id),
        })
    }
}

/// Holds a data directory for this process; the system lets go of it when the process ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        let io = |path: PathBuf| move |source| OpenError::Io { path, source };
        fs::create_dir_all(directory).map_err(io(directory.to_owned()))?;
        let path = directory.join(LOCK);
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let file = options.open(&path).map_err(io(path.clone()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_another_cluster_or_a_newer_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(Identity::read(path).unwrap(), None);
        let identity = Identity::found("home", 16, Uuid::from_u128(7));
        identity.write(path).unwrap();
        assert_eq!(Identity::read(path).unwrap(), Some(identity.clone()));
        assert!(identity.check(path, "home", 16).is_ok());
        assert!(identity.check(path, "work", 16).unwrap_err().to_string().contains("\"home\""));
        assert!(identity.check(path, "home", 8).unwrap_err().to_string().contains("16 shards"));
        let (cluster, node) = (identity.cluster(), identity.node_id);
        assert!(identity.check_node(path, &cluster, node).is_ok());
        let stranger = identity.check_node(path, &cluster, NodeId(2)).unwrap_err().to_string();
        assert!(stranger.contains("node 1") && stranger.contains("node 2"), "{stranger}");
        fs::write(path.join(NAME), r#"{"format": 99}"#).unwrap();
        assert!(matches!(Identity::read(path), Err(OpenError::NewerFormat { found: 99, .. })));
        fs::write(path.join(NAME), "{").unwrap();
        assert!(matches!(Identity::read(path), Err(OpenError::Corrupt(_))));
    }

    #[test]
    fn a_bit_that_flips_changes_nothing_or_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let identity = Identity::found("home", 16, Uuid::from_u128(7));
        identity.write(path).unwrap();
        let sound = fs::read(path.join(NAME)).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path.join(NAME), &bytes).unwrap();
            let read = Identity::read(path);
            let right = read.as_ref().is_ok_and(|read| read.as_ref() == Some(&identity));
            let text = String::from_utf8_lossy(&bytes);
            assert!(right || read.err().unwrap().to_string().contains(NAME), "{text}");
        }
    }

    #[test]
    fn what_was_written_without_a_checksum_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let identity = Identity::found("home", 16, Uuid::from_u128(7));
        let text = serde_json::to_string(&identity).unwrap();
        fs::write(directory.path().join(NAME), text).unwrap();
        assert_eq!(Identity::read(directory.path()).unwrap(), Some(identity));
    }

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(directory.path()).unwrap();
        assert!(matches!(DirectoryLock::take(directory.path()), Err(OpenError::InUse(_))));
        drop(first);
        assert!(DirectoryLock::take(directory.path()).is_ok());
    }
}
