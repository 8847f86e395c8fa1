//! The command line: what was typed becomes one command, and its end an exit code.

pub(crate) mod args;
mod ask;
mod bench;
mod certs;
mod check;
mod client;
mod cluster;
mod config;
mod coverage;
mod describe;
mod error;
mod events;
mod follow;
mod get;
mod maintenance;
mod output;
mod replay;
mod rows;
mod sinks;
mod subscriptions;
mod table;
mod text;
mod topic;
mod verify;
mod version;
pub(crate) mod yaml;

use std::{io, process::ExitCode};

use clap::CommandFactory;

use args::{Cli, Command, ConfigCommand, EventsCommand};
use client::Client;
use error::{CliError, Verdict};
use output::{Output, note};

use crate::run;

/// Does what was asked.
pub(crate) fn execute(cli: Cli) -> ExitCode {
    let output = Output::new(&cli.common);
    let result = match cli.command {
        Command::Run(args) => return run_node(args),
        Command::Check(command) => check::run(&command, &output),
        Command::Completion { shell } => completion(shell, &output),
        Command::Version => version::run(&output),
        Command::Bench(args) => bench::run(&args, &output),
        Command::Certs(args) => certs::run(&args, &output),
        Command::Events(EventsCommand::Verify { files, .. }) if !files.is_empty() => {
            verify::run(&files, &output)
        }
        command => Client::new(cli.common.server).and_then(|client| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| CliError::Failed(format!("cannot start: {e}")))?;
            runtime.block_on(Box::pin(ask(command, &client, &output)))
        }),
    };
    match result {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            if !matches!(error, CliError::Closed(_)) {
                note(&format!("error: {error}"));
            }
            error.exit_code()
        }
    }
}

/// The commands that ask a node.
async fn ask(command: Command, client: &Client, output: &Output) -> Result<Verdict, CliError> {
    match command {
        Command::Get(args) => get::run(&args, client, output).await,
        Command::Describe { id } => describe::run(&id, client, output).await,
        Command::Events(EventsCommand::List { id, after, limit }) => {
            events::list(&id, (after, limit), client, output).await
        }
        Command::Events(EventsCommand::Tail(args)) => match args.topic.reader() {
            Some(reader) => {
                topic::tail(&args, &reader.map_err(|error| no_topic(&error))?, output).await
            }
            None => events::tail(&args, client, output).await,
        },
        Command::Events(EventsCommand::Verify { topic, .. }) => match topic.reader() {
            Some(reader) => {
                verify::run_topic(&reader.map_err(|error| no_topic(&error))?, output).await
            }
            None => verify::run(&config::event_files(client).await?, output),
        },
        Command::Events(EventsCommand::Replay(args)) => replay::run(&args, client, output).await,
        Command::Coverage(args) => coverage::run(&args, client, output).await,
        Command::Maintenance(command) => maintenance::run(&command, client, output).await,
        Command::Config(ConfigCommand::Status) => config::status(client, output).await,
        Command::Config(ConfigCommand::Diff { file }) => config::diff(file, client, output).await,
        Command::Sinks { command } => sinks::run(command.as_ref(), client, output).await,
        Command::Subscriptions(args) => subscriptions::run(&args, client, output).await,
        Command::Cluster(command) => cluster::run(&command, client, output).await,
        Command::Run(_)
        | Command::Check(_)
        | Command::Bench(_)
        | Command::Certs(_)
        | Command::Completion { .. }
        | Command::Version => {
            unreachable!("these ask no node")
        }
    }
}

fn no_topic(error: &actors::sink::SinkError) -> CliError {
    CliError::Failed(error.to_string())
}

fn run_node(args: args::RunArgs) -> ExitCode {
    crate::telemetry::init();
    match run::runtime() {
        Ok(runtime) => runtime.block_on(Box::pin(run::run(args))),
        Err(e) => {
            note(&format!("error: cannot start: {e}"));
            ExitCode::FAILURE
        }
    }
}

fn completion(shell: clap_complete::Shell, output: &Output) -> Result<Verdict, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bellwether", &mut script);
    let script =
        String::from_utf8(script).map_err(|e| CliError::Failed(io::Error::other(e).to_string()))?;
    output.print(&script)?;
    Ok(Verdict::Good)
}
