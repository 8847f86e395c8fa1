//! `bellwether-bench`: lists and runs benchmarks; a table on standard output, JSON beside it.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use bellwether_bench::{
    baseline,
    bench::{self, Alone, Bench, Serve},
    plan::Plan,
    plot::{PlotArgs, plot},
    report::{Report, render, to_json},
};
use clap::{Args, Parser, Subcommand};
use harness::stop::unless_stopped;

// The node's own: a benchmark's server must not be slower for its allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Bellwether beside its peers, in pairs, on one machine.
#[derive(Debug, Parser)]
#[command(name = "bellwether-bench", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the benchmarks
    List,
    /// Run all benchmarks, or those named
    Run(RunArgs),
    /// Draw what the JSON of benchmark 5, 9 or 15 holds
    Plot(PlotArgs),
    /// Serve durable writes over gRPC, for benchmark 13
    #[command(hide = true)]
    ServeWrites(Serve),
    /// Run one workload of benchmark 13, ours alone
    #[command(hide = true)]
    LoadWrites(Alone),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bellwether-bench run --only 13 --pairs 3 --quick\n  \
    bellwether-bench run --out results")]
struct RunArgs {
    /// Only these numbers or names
    #[arg(long, value_name = "N,NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// How many pairs of ours and the peer
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=100))]
    pairs: u16,
    /// Where the JSON goes
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench")]
    out: PathBuf,
    /// Where both sides keep their data: the disk that is measured [default: the JSON's]
    #[arg(long, value_name = "DIRECTORY")]
    scratch: Option<PathBuf>,
    /// Shorter and smaller: for a first look, not for a figure
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::List => list(),
        Command::Run(args) => block_on(run(args)),
        Command::Plot(args) => plot(&args),
        Command::ServeWrites(args) => block_on(bench::serve(args)),
        Command::LoadWrites(args) => block_on(bench::alone(args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(unless_stopped(Box::pin(work)))
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for bench in bench::all() {
        writeln!(out, "{:>3}  {:<10} {}", bench.number, bench.name, bench.about)?;
    }
    Ok(())
}

/// Targets that are missed are figures, not failures: only a benchmark that broke is one.
async fn run(args: RunArgs) -> Result<()> {
    let chosen = choose(&args.only)?;
    let scratch = args.scratch.clone().unwrap_or_else(|| args.out.join("scratch"));
    let plan = Plan::new(args.pairs.into(), args.quick, scratch);
    let mut broken = Vec::new();
    for bench in chosen {
        let report = measure(&bench, &plan).await?;
        plan.progress_done();
        write_json(&args.out, &report)?;
        write!(std::io::stdout().lock(), "{}", framed(&render(&report)))?;
        if report.outcome.is_err() {
            broken.push(bench.number.to_string());
        }
    }
    if !broken.is_empty() {
        bail!("could not be measured: {}", broken.join(", "));
    }
    Ok(())
}

fn framed(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\n{text}\n") } else { format!("{text}\n") }
}

fn choose(only: &[String]) -> Result<Vec<Bench>> {
    let all = bench::all();
    let is = |bench: &Bench, asked: &String| {
        bench.name == asked.as_str() || bench.number.to_string() == *asked
    };
    if let Some(unknown) = only.iter().find(|asked| !all.iter().any(|bench| is(bench, asked))) {
        bail!("there is no benchmark {unknown}; `bellwether-bench list` shows those there are");
    }
    let wanted = |bench: &Bench| only.is_empty() || only.iter().any(|asked| is(bench, asked));
    Ok(all.into_iter().filter(wanted).collect())
}

async fn measure(bench: &Bench, plan: &Plan) -> Result<Report> {
    plan.progress(&format!("{} {}: disk and loopback", bench.number, bench.name));
    let directory = plan.directory("baseline")?;
    let before = baseline::measure(directory.path()).await?;
    let began = Instant::now();
    let outcome = (bench.run)(plan).await.map_err(|error| format!("{error:#}"));
    let took = began.elapsed();
    let after = baseline::measure(directory.path()).await?;
    Ok(Report {
        number: bench.number,
        name: bench.name,
        outcome,
        before,
        after,
        took,
        pairs: plan.pair_count,
        quick: plan.quick,
    })
}

fn write_json(out: &Path, report: &Report) -> Result<()> {
    let path = out.join(format!("{}-{}.json", report.number, report.name));
    std::fs::create_dir_all(out)
        .and_then(|()| std::fs::write(&path, format!("{:#}\n", to_json(report))))
        .with_context(|| format!("cannot write {}", path.display()))
}
