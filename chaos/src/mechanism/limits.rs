//! The limit of open files of a running process (prlimit(2)).

use anyhow::{Context, Result};
use harness::Node;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use super::Mechanism;

/// Limits of a process that runs.
pub(crate) const LIMITS: Mechanism = Mechanism { name: "prlimit", probe };

/// Sets how many files the node may have open from now on; answers what it was.
///
/// # Errors
/// Where the node does not run, or the limit may not be set.
pub(crate) fn open_files(node: &Node, most: u64) -> Result<u64> {
    let pid = node.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let pid = pid.context("the node does not run")?;
    let hard = getrlimit(Resource::Nofile).maximum;
    // The hard limit stays, so that no privilege is needed to raise the other one again.
    let limit = Rlimit { current: Some(most), maximum: hard };
    let before = prlimit(Some(pid), Resource::Nofile, limit).context("cannot set the limit")?;
    Ok(before.current.unwrap_or(u64::MAX))
}

/// How many files the node has open.
///
/// # Errors
/// Where it does not run.
pub(crate) fn opened(node: &Node) -> Result<u64> {
    let pid = node.pid().context("the node does not run")?;
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)
}

/// Lets the harness itself have as many files open as the system allows: each probe that reaches a
/// target is one.
pub(crate) fn raise_own() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, a burst of probes may find nobody, and the run says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn probe() -> Result<(), String> {
    let now = getrlimit(Resource::Nofile);
    let set = prlimit(None, Resource::Nofile, now);
    set.map(drop).map_err(|why| format!("the system refuses it: {why}; allow prlimit"))
}
