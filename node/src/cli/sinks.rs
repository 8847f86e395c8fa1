//! `bellwether sinks`: where events go, and from where on they are sent again.

mod list;
mod reset;

use clap::{Args, Subcommand};
use model::delivery::ResetTo;

use super::{
    client::Client,
    error::{CliError, Verdict},
    output::Output,
};

pub(super) use reset::{acknowledged, look, reset};

/// Where the sinks are asked for.
const SINKS: [&str; 3] = ["api", "v1", "sinks"];

/// What is done with sinks; they are listed where nothing is said.
#[derive(Debug, Subcommand)]
pub(crate) enum SinksCommand {
    /// Have a sink sent events again, or pass over what it has not acknowledged
    Reset(ResetArgs),
}

/// `bellwether sinks reset`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether sinks reset pulsar --to oldest        send all that is kept again\n  \
    bellwether sinks reset pulsar --to latest        pass over what it has not acknowledged\n  \
    bellwether sinks reset pulsar --to 3:1200        shard 3 goes on with event 1200\n\n\
    Events that are sent again have the ids that they had: whoever drops repeated ids sees\n\
    nothing twice. It asks before it does it.")]
pub(crate) struct ResetArgs {
    /// The sink
    #[arg(value_name = "NAME")]
    name: String,
    /// Where it goes on
    #[arg(long, value_name = "oldest|latest|SHARD:OFFSET")]
    to: ResetTo,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Does it.
pub(super) async fn run(
    command: Option<&SinksCommand>,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    match command {
        None => list::run(client, output).await,
        Some(SinksCommand::Reset(args)) => reset::run(args, client, output).await,
    }
}
