//! `bellwether-bench load-writes`: one workload of ours by itself, for profiles and trials.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::Result;

use super::{
    cells::{Cell, Sample, Way, of_ours},
    server::Ours,
};
use crate::{load::Pace, plan::Plan};

/// Which workload.
#[derive(Debug, Clone, clap::Args)]
pub struct Alone {
    /// By calls, or by one stream for each client
    #[arg(long, value_enum, default_value_t = Way::Unary)]
    way: Way,
    /// How many clients
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// How many groups
    #[arg(long, default_value_t = 16)]
    groups: u32,
    /// For how long
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Writes a second that are due; as many as possible where absent
    #[arg(long)]
    rate: Option<f64>,
    /// Where the data lies
    #[arg(long, default_value = "target/bench/scratch")]
    scratch: PathBuf,
    /// A file for the server's process id, once it is ready
    #[arg(long)]
    pid_file: Option<PathBuf>,
}

/// Runs it and prints a line of figures.
///
/// # Errors
/// Where the server cannot be started, or a write fails.
pub async fn alone(args: Alone) -> Result<()> {
    let plan = Plan::new(1, false, args.scratch.clone());
    let server = Ours::start(&[], args.groups, plan.directory("ours")?).await?;
    if let Some(file) = &args.pid_file {
        std::fs::write(file, server.process.pid().to_string())?;
    }
    let cell = Cell { way: args.way, clients: args.clients, groups: args.groups };
    let pace = args.rate.map_or(Pace::Closed, Pace::Open);
    let cost = server.process.cost()?.cpu_seconds;
    let sample = of_ours(&server, cell, pace, Duration::from_secs(args.seconds)).await?;
    let cpu = server.process.cost()?.cpu_seconds - cost;
    writeln!(std::io::stdout().lock(), "{}", line(&sample, cpu))?;
    Ok(())
}

fn line(sample: &Sample, cpu_seconds: f64) -> String {
    format!(
        "{:.0} writes/s, p50 {:.2} ms, p99 {:.2} ms, {:.0} syncs/s, server {cpu_seconds:.1} CPU-s",
        sample.writes_per_second, sample.p50_ms, sample.p99_ms, sample.syncs_per_second
    )
}
