//! The command line: list, run, soak, replay, mutants.

mod soak;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use harness::stop::unless_stopped;

use crate::{
    history::History,
    invariants::{self, Judgement},
    mechanism::router,
    mutants,
    progress::say,
    report,
    runner::{self, Options, Verdict},
    scenario::Scenario,
    scenarios::{self, ALL},
};

/// Hurts a real node in every way that this machine has, and shows that its promises hold.
#[derive(Debug, Parser)]
#[command(name = "bellwether-chaos", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List scenarios, invariants, and what this machine cannot run
    List,
    /// Run scenarios by name or by row of the fault matrix; all where none is given
    Run(Run),
    /// Do something to three nodes every minute for an hour, and hold their ledger against what
    /// the targets saw
    Soak(soak::Soak),
    /// Say which other build of the node scenarios need: `fail-points`, or nothing
    #[command(hide = true)]
    Needs {
        /// Names or rows; all where none is given
        scenarios: Vec<String>,
    },
    /// Judge a recorded history again
    Replay {
        /// A `*.history.json` of an earlier run
        file: PathBuf,
    },
    /// Forward the packets of a TUN device, as standard input says
    #[command(hide = true)]
    Forward {
        /// The device
        device: String,
        /// Of what happens by chance
        seed: u64,
    },
    /// Build known bugs in, one at a time, and show that each is caught
    Mutants(Mutants),
}

#[derive(Debug, Args)]
struct Run {
    /// Names or rows, such as `kill` or `13`
    scenarios: Vec<String>,
    /// The same, separated by commas
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// How often each fault is injected
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where histories and verdicts are written
    #[arg(long, default_value = "chaos-results")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Mutants {
    /// Names of bugs; all where none is given
    bugs: Vec<String>,
    /// How many rounds a bug has to show itself
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Repeats the choices of an earlier run; drawn and printed where absent
    #[arg(long)]
    seed: Option<u64>,
    /// Tell each fault as it happens
    #[arg(short, long)]
    verbose: bool,
    /// Another build of the node than the one beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
}

impl Common {
    fn options(&self, rounds: u32) -> Options {
        Options {
            rounds,
            seed: self.seed.unwrap_or_else(drawn),
            verbose: self.verbose,
            // The node runs in a folder of its own.
            binary: self.binary.as_ref().map(|path| path.canonicalize().unwrap_or(path.clone())),
            points: String::new(),
        }
    }
}

/// Runs the command line; 0 all held, 1 something did not, 2 usage.
pub async fn main() -> ExitCode {
    match unless_stopped(dispatch(Cli::parse().command)).await {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::List => {
            print(&listing());
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(run) => {
            let wanted: Vec<String> = run.scenarios.iter().chain(&run.rows).cloned().collect();
            let scenarios = scenarios::select(&wanted).map_err(anyhow::Error::msg)?;
            run_all(&scenarios, &run.common.options(run.rounds), &run.out).await
        }
        Command::Soak(wanted) => wanted.run().await,
        Command::Needs { scenarios } => {
            let scenarios = scenarios::select(&scenarios).map_err(anyhow::Error::msg)?;
            let needed = scenarios.iter().any(|scenario| scenario.fail_points);
            print(if needed { "fail-points\n" } else { "" });
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay { file } => replay(&file),
        Command::Forward { device, seed } => {
            // It has threads of its own, and ends with its standard input.
            tokio::task::block_in_place(|| router::forward(&device, seed))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Mutants(wanted) => {
            let options = wanted.common.options(wanted.rounds);
            let table = mutants::run(&wanted.bugs, &options).await?;
            print(&table.text);
            Ok(code(table.all_caught))
        }
    }
}

async fn run_all(
    scenarios: &[Scenario],
    options: &Options,
    out: &std::path::Path,
) -> Result<ExitCode> {
    report::prepare(out)?;
    let mut verdicts: Vec<Verdict> = Vec::new();
    for scenario in scenarios {
        let (verdict, history) = runner::run(scenario, options).await;
        if verdict.not_run.is_none() {
            let path = report::write(out, &verdict, &history)?;
            if verdict.broke() {
                say(&format!("{}\nhistory: {path}", report::details(&verdict)));
            }
        }
        verdicts.push(verdict);
    }
    print(&report::table(&verdicts));
    say(&summary(&verdicts));
    Ok(code(!verdicts.iter().any(Verdict::broke)))
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |which: fn(&Verdict) -> bool| verdicts.iter().filter(|v| which(v)).count();
    let (held, broken) = (count(Verdict::held), count(Verdict::broke));
    let not_run = count(|verdict| verdict.not_run.is_some());
    let in_part = verdicts.len() - held - broken - not_run;
    let in_part =
        if in_part > 0 { format!("{in_part} not judged in full, ") } else { String::new() };
    format!("{held} held, {broken} broken, {in_part}{not_run} not run on this machine")
}

fn replay(file: &std::path::Path) -> Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let history: History = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no history", file.display()))?;
    let mut held = true;
    for (letter, Judgement { broken, not_judged }) in runner::judge(&history) {
        held &= broken.is_empty();
        let word = match &not_judged {
            _ if !broken.is_empty() => "BROKEN",
            Some(_) => "not judged",
            None => "held",
        };
        print(&format!("{letter}  {word}\n"));
        broken.iter().chain(&not_judged).for_each(|what| print(&format!("   {what}\n")));
    }
    Ok(code(held))
}

fn listing() -> String {
    let missing: Vec<Option<String>> = ALL.iter().map(|scenario| scenario.missing(None)).collect();
    let row = |(scenario, missing): (&Scenario, &Option<String>)| {
        [
            scenario.row.to_string(),
            scenario.name.to_owned(),
            scenario.invariants.to_owned(),
            if missing.is_none() { "yes" } else { "no" }.to_owned(),
            scenario.fault.to_owned(),
        ]
    };
    let headings = ["ROW", "SCENARIO", "INVARIANTS", "HERE", "FAULT"];
    let mut text = report::aligned(headings, ALL.iter().zip(&missing).map(row));
    let names = ALL.iter().map(|scenario| scenario.name);
    text += &report::not_here(names.zip(missing).filter_map(|(name, why)| Some((name, why?))));
    text.push('\n');
    for invariant in invariants::ALL {
        text += &format!(" {}  {}\n", invariant.letter, invariant.says);
    }
    text
}

/// Results go to standard output; a reader that went away is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn drawn() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
