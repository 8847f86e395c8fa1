//! `bellwether events replay`: decides stored transitions again, or has a sink sent them again.

mod compare;
mod decide;
mod follow;
mod select;
mod sink;
mod told;

use std::path::PathBuf;

use clap::Args;
use model::{Millis, ResourceId, WallTime, delivery::ResetTo};

use super::{
    args::selector,
    client::Client,
    error::{CliError, Verdict},
    output::Output,
    text::now,
};

/// The heading of flags that have a sink sent events again.
const SINK: &str = "A sink instead";

/// `bellwether events replay`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether events replay --since 7d                  is all decided again as it was?\n  \
    bellwether events replay --thresholds new.yaml       what would other thresholds decide?\n  \
    bellwether events replay --thresholds new.yaml -l team=shop --since 24h -o json\n  \
    bellwether events replay --thresholds new.yaml host:n1 --limit 50\n  \
    bellwether events replay --sink pulsar               send it all that is kept again\n  \
    bellwether events replay --sink pulsar --from 3:1200 --yes\n\n\
new.yaml holds `thresholds:` alone, as a declaration has it:\n  \
    thresholds:\n    \
      cpu_usage_percent: { warning: 80, critical: 95, hysteresis: 5, for: 30s }\n\n\
It decides again what was a transition, each from the state that it began with, and changes\n\
nothing. It cannot find a transition that the candidates would have made where none was made,\n\
because what led to none is not stored. The state before is the one that the thresholds of then\n\
had led to, with their levels and hold times. Resources that are removed have no events here.\n\n\
Without --thresholds it decides by the policy in force, and exits 1 where a transition of the\n\
present declaration comes out otherwise: that would be a fault of Bellwether. With --thresholds\n\
what differs is the answer, and the exit code 0.\n\n\
With --sink it does what `bellwether sinks reset` does, and follows it until the sink has all.\n\
Events that are sent again have the ids that they had: whoever drops repeated ids sees nothing\n\
twice. Ctrl-C ends the command, and the replay goes on.")]
pub(crate) struct ReplayArgs {
    /// Resources by id; all of them where absent
    #[arg(value_name = "ID", conflicts_with_all = ["selector", "namespace"])]
    resources: Vec<ResourceId>,
    /// Only resources with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    selector: Option<String>,
    /// Only resources of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Decide by the thresholds of this file instead of those in force
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,
    /// Only transitions since then; all that are kept where absent
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<Since>,
    /// Of each resource at most so many, the latest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: Option<u32>,
    /// Send this sink stored events again
    #[arg(help_heading = SINK, long, value_name = "NAME", conflicts_with_all =
        ["resources", "selector", "namespace", "thresholds", "since", "limit"])]
    sink: Option<String>,
    /// Where the sink begins: everything kept, or in some shards with this event [default: oldest]
    #[arg(help_heading = SINK, long, value_name = "oldest|SHARD:OFFSET", requires = "sink",
        value_delimiter = ',')]
    from: Vec<ResetTo>,
    /// Do not ask
    #[arg(help_heading = SINK, short, long, requires = "sink")]
    yes: bool,
}

/// Since when: how far back, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Millis),
    At(WallTime),
}

/// Does it.
pub(super) async fn run(
    args: &ReplayArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    match &args.sink {
        Some(sink) => sink::run((sink, &args.from), args.yes, client, output).await,
        None => decide::run(args, client, output).await,
    }
}

impl Since {
    fn moment(self) -> WallTime {
        match self {
            Self::Ago(span) => now().minus(span),
            Self::At(time) => time,
        }
    }
}

impl std::str::FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let ago = text.parse().map(Self::Ago).ok();
        ago.or_else(|| WallTime::parse_rfc3339(text).map(Self::At)).ok_or(
            "expected a duration such as 30s, 24h or 7d, or an RFC 3339 time such as 2027-01-31T22:00:00Z",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_time_or_how_far_back() {
        assert_eq!("24h".parse(), Ok(Since::Ago(Millis::from_secs(86_400))));
        let time = WallTime::parse_rfc3339("2027-01-31T22:00:00Z").unwrap();
        assert_eq!("2027-01-31T22:00:00Z".parse(), Ok(Since::At(time)));
        assert!("yesterday".parse::<Since>().is_err());
        assert!(Since::Ago(Millis(0)).moment() <= now());
    }
}
