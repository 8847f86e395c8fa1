//! What the nodes cost, once a period: memory, descriptors, threads, files, leads.

use std::{
    fmt,
    fs::{self, File},
    io::Write,
    path::Path,
};

use anyhow::{Context, Result};
use harness::{Node, cluster::name, process};
use serde::Serialize;
use serde_json::Value;

use crate::{
    arena::{Arena, member},
    history::Moment,
    mechanism::limits,
};

/// What one node costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cost {
    pub(super) node: String,
    /// Its process: another number is another process.
    pub(super) pid: u32,
    /// Resident memory, in bytes.
    pub(super) resident: u64,
    /// Files, sockets and the like that it has open.
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Files in its data directory.
    pub(super) files: u64,
    /// The bytes of these.
    pub(super) bytes: u64,
    /// Shards that it leads.
    pub(super) leads: u64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, resident, descriptors, threads, files, bytes, leads, .. } = self;
        let (resident, bytes) = (resident >> 20, bytes >> 20);
        write!(
            f,
            "{node} {resident} MiB, {descriptors} descriptors, {threads} threads, \
             {files} files of {bytes} MiB, {leads} leads"
        )
    }
}

/// One fault, and what the nodes cost at the end of its period.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Period {
    /// From 1.
    pub(super) number: u32,
    /// The scenario that it is of.
    pub(super) fault: &'static str,
    /// What was done to whom.
    pub(super) what: String,
    /// How long after the fault was over the cluster was whole again, in milliseconds.
    pub(super) whole_after: u64,
    /// When the nodes were looked at.
    pub(super) at: Moment,
    pub(super) nodes: Vec<Cost>,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, fault, what, whole_after, nodes, .. } = self;
        write!(f, "{number} {fault}: {what}; whole {whole_after} ms after it")?;
        nodes.iter().try_for_each(|cost| write!(f, "; {cost}"))
    }
}

/// What the nodes cost now.
///
/// # Errors
/// Where one of them does not run, or the cluster is not shown.
pub(super) async fn costs(arena: &Arena) -> Result<Vec<Cost>> {
    let shown = arena.cluster_shown().await?;
    let nodes = arena.nodes().iter().enumerate();
    nodes.map(|(n, node)| cost(node, &name(n), &shown)).collect()
}

fn cost(node: &Node, name: &str, shown: &Value) -> Result<Cost> {
    let pid = node.pid().with_context(|| format!("{name} does not run"))?;
    let (files, bytes) = held(&node.data_dir());
    Ok(Cost {
        node: name.to_owned(),
        pid,
        resident: process::cost(pid)?.resident_bytes,
        descriptors: limits::opened(node)?,
        threads: fs::read_dir(format!("/proc/{pid}/task"))?.count() as u64,
        files,
        bytes,
        leads: member(shown, name).and_then(|node| node["leads"].as_u64()).unwrap_or(0),
    })
}

/// How many files are below a directory, and how many bytes they have. What the node takes away
/// meanwhile is not counted.
fn held(dir: &Path) -> (u64, u64) {
    let Ok(entries) = fs::read_dir(dir) else { return (0, 0) };
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => held(&entry.path()),
        Ok(found) => (1, found.len()),
        Err(_) => (0, 0),
    };
    let all = entries.flatten().map(of_entry);
    all.fold((0, 0), |(files, bytes), (more, size)| (files + more, bytes + size))
}

/// All periods so far, in a file from which nothing is lost where the soak does not come to its end.
pub(super) struct Samples {
    file: File,
    pub(super) periods: Vec<Period>,
}

impl Samples {
    /// Begins with an empty file.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { file, periods: Vec::new() })
    }

    /// Adds a period, as one line of JSON.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn add(&mut self, period: Period) -> Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&period)?)?;
        self.periods.push(period);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_in_all_folders_and_what_is_not_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("store")).unwrap();
        fs::write(dir.path().join("CLUSTER"), "abc").unwrap();
        fs::write(dir.path().join("store").join("1.sst"), "12345").unwrap();
        assert_eq!(held(dir.path()), (2, 8));
        assert_eq!(held(&dir.path().join("gone")), (0, 0));
    }
}
