//! Ways to hurt, one file each. A mechanism knows whether this machine has it.
//!
//! Invariant: whatever a mechanism sets up (a mount, a loop device, a cgroup, a tracer) is owned
//! by a value that takes it away when it is dropped.

pub(crate) mod cgroup;
pub(crate) mod damage;
pub(crate) mod fail_points;
pub(crate) mod faketime;
pub(crate) mod limits;
mod network;
mod power_cut;
pub(crate) mod resolver;
pub(crate) mod router;
mod small_fs;
mod strace;

use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) use network::NARROW;
pub use network::{Dropped, NETWORK, Network};
pub use power_cut::{POWER_CUT, cut};
pub use small_fs::{Filler, SMALL_FS, SmallFs, free};
pub use strace::{Injection, STRACE, Tracer};

/// One way to hurt.
#[derive(Debug, Clone, Copy)]
pub struct Mechanism {
    /// What it is called.
    pub name: &'static str,
    /// Tries it in the small; says why it is not to be had, and the remedy.
    pub probe: fn() -> Result<(), String>,
}

/// Runs a program to its end.
///
/// # Errors
/// What it wrote to its standard error, or that it is missing.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), words.trim());
    Ok(())
}

/// Why a mechanism that wants root is not to be had: who is not root needs no details.
pub(crate) fn lacking(why: &anyhow::Error, needs: &str) -> String {
    if rustix::process::geteuid().is_root() {
        format!("{why:#}; it needs {needs}")
    } else {
        format!("it needs root, {needs}")
    }
}
