//! Runs a node: loads and checks the configuration, then hands over.

use std::process::ExitCode;

use tracing::{error, info};

use crate::{
    cli::args::RunArgs,
    config::{Config, FileSink, SinkKind},
};

/// Runs a node until it is told to stop.
pub(crate) async fn run(args: RunArgs) -> ExitCode {
    let config = match Config::load(&args.origins()) {
        Ok(config) => config,
        Err(invalid) => {
            error!(problems = invalid.problems.len(), "the configuration is not valid\n{invalid}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(refusal) = config.listen.check_exposure(args.insecure) {
        error!(%refusal, "refusing to start");
        return ExitCode::FAILURE;
    }
    for sink in &config.sinks {
        let SinkKind::File(FileSink { path, .. }) = &sink.kind;
        info!(sink = sink.name, path = %path.display(), "events go here");
    }
    error!("this build has no node in it");
    ExitCode::FAILURE
}
