//! What a node that wants to join says, and the key by which a repeat is known as one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use net::Joining;
use uuid::Uuid;

use super::{Network, RunError};
use crate::config::Config;

/// The file that keeps the key until the node is a member, and after.
const KEY: &str = "JOIN";

/// What a member says of itself to those that cannot find it; nothing where it has founded.
pub(super) fn announcement(network: &Network, config: &Config) -> Option<Joining> {
    let joined = config.node.data_dir.join(KEY).exists();
    joined.then(|| request(network, config).ok()).flatten()
}

pub(super) fn request(network: &Network, config: &Config) -> Result<Joining, RunError> {
    let directory = &config.node.data_dir;
    let key =
        key(directory).map_err(|source| RunError::Key { path: directory.join(KEY), source })?;
    Ok(Joining { key, cluster_name: config.cluster.name.clone(), facts: network.facts() })
}

/// The key of a data directory; made durable before it is used, because the cluster gives an id
/// for it.
fn key(directory: &Path) -> io::Result<String> {
    let path = directory.join(KEY);
    match fs::read_to_string(&path) {
        Ok(text) if Uuid::parse_str(text.trim()).is_ok() => return Ok(text.trim().to_owned()),
        // Torn by a crash before it was used.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(directory)?;
    let key = Uuid::new_v4().to_string();
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(directory)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let first = key(directory.path()).unwrap();
        assert_eq!(key(directory.path()).unwrap(), first);
        fs::write(directory.path().join(KEY), "torn").unwrap();
        assert_ne!(key(directory.path()).unwrap(), first);
    }
}
