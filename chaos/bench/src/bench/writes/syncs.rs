//! Counts fsyncs from outside, by strace(1): how many for how many writes, and how many at once.

mod trace;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use super::{
    cells::{Cell, USUAL, Way, of_etcd, of_ours},
    server::Ours,
};
use crate::{load::Pace, peer::etcd::Etcd, plan::Plan};
pub(super) use trace::Traced;
use trace::read;

/// What was counted of each side under the load of 64 clients.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) ours: Option<Traced>,
    pub(super) peer: Option<Traced>,
    /// Why nothing was counted.
    pub(super) missing: Option<String>,
}

/// A load that is long enough to see hundreds of syncs and does not fill the disk with traces.
const SPAN: Duration = Duration::from_secs(2);
const CELL: Cell = Cell { way: Way::Unary, clients: 64, groups: USUAL };

/// Runs each side once below strace; that slows it down, so its speed is not reported.
pub(super) async fn count(plan: &Plan, etcd: Option<&PathBuf>) -> Result<Counted> {
    if !can_trace() {
        let missing = Some("strace is missing, or may not trace here".to_owned());
        return Ok(Counted { missing, ..Counted::default() });
    }
    let traces = plan.directory("strace")?;
    let ours = ours(plan, &traces.path().join("ours")).await?;
    let peer = match etcd {
        Some(program) => Some(peer(plan, program, &traces.path().join("etcd")).await?),
        None => None,
    };
    Ok(Counted { ours: Some(ours), peer, missing: None })
}

async fn ours(plan: &Plan, trace: &Path) -> Result<Traced> {
    let mut server = Ours::start(&tracer(trace), USUAL, plan.directory("ours")?).await?;
    let before = fs::read_to_string(trace)?.len();
    let sample = of_ours(&server, CELL, Pace::Closed, plan.span(SPAN)).await?;
    let text = fs::read_to_string(trace)?;
    server.process.stop().await?;
    // RocksDB's write-ahead log, `000012.log` in the directory `raft`.
    Ok(read(&text[before..], sample.writes_per_second, &|path| {
        path.contains("/raft/") && path.ends_with(".log")
    }))
}

async fn peer(plan: &Plan, program: &Path, trace: &Path) -> Result<Traced> {
    let data = plan.directory("etcd")?;
    let mut server = Etcd::start_under(&tracer(trace), program, data).await?;
    let before = fs::read_to_string(trace)?.len();
    let sample = of_etcd(&server, CELL, Pace::Closed, plan.span(SPAN)).await?;
    let text = fs::read_to_string(trace)?;
    server.process.stop().await?;
    Ok(read(&text[before..], sample.writes_per_second, &|path| path.ends_with(".wal")))
}

fn tracer(trace: &Path) -> Vec<String> {
    let calls = "trace=fsync,fdatasync,sync_file_range,msync";
    let mut line: Vec<String> =
        ["strace", "-f", "-y", "-ttt", "-T", "-e", calls, "-e", "signal=none", "-o"]
            .map(str::to_owned)
            .into();
    line.push(trace.to_string_lossy().into_owned());
    line
}

fn can_trace() -> bool {
    let mut command = Command::new("strace");
    command.args(["-e", "trace=none", "true"]);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
