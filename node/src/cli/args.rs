//! What can be typed.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use actors::sink::{
    PulsarAuth, PulsarCompression, PulsarSettings, PulsarTarget, PulsarTls, SinkError, TopicReader,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use model::{HealthStatus, Millis, ResourceId, WallTime, selector::Selector};
use reqwest::Url;

pub(crate) use super::bench::BenchArgs;
pub(crate) use super::certs::CertsArgs;
pub(crate) use super::cluster::ClusterCommand;
pub(crate) use super::replay::ReplayArgs;
pub(crate) use super::sinks::SinksCommand;
pub(crate) use super::subscriptions::SubscriptionsArgs;
use crate::config::Origins;

/// Watches infrastructure and tells what happens to it, in order and without gaps.
#[derive(Debug, Parser)]
#[command(
    name = "bellwether",
    version,
    propagate_version = false,
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        bellwether run                        watch this host, without any configuration\n  \
        bellwether get                        what is watched, and how it is\n  \
        bellwether get endpoint -w            the endpoints, and every change of them\n  \
        bellwether describe host:n1           all that is known of one resource\n  \
        bellwether coverage --since 1h        how much of the schedule was kept\n\n\
        Exit: 0 done, 1 the thing failed, 2 usage, 3 the node cannot be reached."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading of flags that say where a topic is.
const TOPIC: &str = "A topic instead";
/// The heading of flags that every command has.
const COMMON: &str = "Common options";

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The node to ask
    #[arg(help_heading = COMMON, long, global = true, env = "BELLWETHER_SERVER", value_name = "URL",
        default_value = "http://127.0.0.1:7420", value_parser = server)]
    pub(crate) server: Url,
    /// How to print results
    #[arg(help_heading = COMMON, short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Print without colour, also on a terminal (NO_COLOR does the same)
    #[arg(help_heading = COMMON, long, global = true)]
    pub(crate) no_color: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// What the node sent, indented
    Json,
    /// The same as YAML
    Yaml,
    /// Names or ids only
    Name,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node
    Run(RunArgs),
    /// Check a file without running anything
    #[command(subcommand)]
    Check(CheckCommand),
    /// List resources and their health
    Get(GetArgs),
    /// Show all that is known of one resource, with its last events and its coverage
    #[command(after_help = "Example:\n  bellwether describe endpoint:shop")]
    Describe {
        /// The resource
        #[arg(value_name = "ID")]
        id: ResourceId,
    },
    /// Read, follow, verify and replay events
    #[command(subcommand)]
    Events(EventsCommand),
    /// How much of the schedule was kept, and what became of the rest
    Coverage(CoverageArgs),
    /// Announce work on resources, which are shown as MAINTENANCE meanwhile
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    /// Look at the configuration that the node runs by
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Where events go, and how far they got
    #[command(after_help = "Examples:\n  \
        bellwether sinks                                 where events go, and how far they got\n  \
        bellwether sinks reset pulsar --to oldest        send all that is kept again")]
    Sinks {
        #[command(subcommand)]
        command: Option<SinksCommand>,
    },
    /// Who consumes events in Apache Pulsar, and how far they are
    Subscriptions(SubscriptionsArgs),
    /// Found a cluster of several nodes, look at it, and change who its nodes are
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Make an authority for a cluster, and a certificate for each node
    Certs(CertsArgs),
    /// Measure how fast this machine's disk makes writes durable
    Bench(BenchArgs),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  bellwether completion bash > /etc/bash_completion.d/bellwether"
    )]
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    #[command(after_help = "Example:\n  bellwether version -o json")]
    Version,
}

/// `bellwether run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether run                                 the embedded quick start\n  \
    bellwether run --config bellwether.yaml        a file of your own, and conf.d/*.yaml beside it\n  \
    BELLWETHER_NODE__NAME=n2 bellwether run --config bellwether.yaml --data-dir /var/lib/n2")]
pub(crate) struct RunArgs {
    /// The configuration; without it the node watches this host and itself
    #[arg(short, long, env = "BELLWETHER_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen beyond this machine without TLS and auth
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Listen here for HTTP, whatever the configuration says
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen_http: Option<String>,
    /// Keep state here, whatever the configuration says
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<String>,
    /// Start although the log ends before what was once synced; what is missing stays lost
    #[arg(long)]
    pub(crate) accept_data_loss: bool,
}

impl RunArgs {
    /// Where the configuration comes from, the environment of this process included.
    pub(crate) fn origins(&self) -> Origins {
        Origins {
            file: self.config.clone(),
            environment: std::env::vars_os().collect(),
            listen_http: self.listen_http.clone(),
            data_dir: self.data_dir.clone(),
        }
    }
}

/// `bellwether check`.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Print every problem of a configuration with file, line and key
    #[command(after_help = "Examples:\n  \
        bellwether check config bellwether.yaml\n  \
        bellwether check config bellwether.yaml -o json    for programs\n  \
        bellwether check config --schema                   a JSON Schema for editors")]
    Config {
        /// The configuration; conf.d/*.yaml beside it and the environment count, too
        #[arg(value_name = "FILE", required_unless_present = "schema")]
        file: Option<PathBuf>,
        /// Print the JSON Schema of configurations
        #[arg(long, conflicts_with = "file")]
        schema: bool,
    },
}

/// `bellwether get`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether get                                all resources\n  \
    bellwether get endpoint -l team=shop          of one type, with a label\n  \
    bellwether get host:n1 -o json                one resource, as the node sent it\n  \
    bellwether get --status critical -w           what is down, and every change of it\n  \
    bellwether get -l team=shop --exit-status     exit 1 unless all of them are HEALTHY")]
pub(crate) struct GetArgs {
    /// A resource type such as ENDPOINT, or a resource's id; everything where absent
    #[arg(value_name = "TYPE|ID")]
    pub(crate) what: Option<String>,
    /// Only resources with these labels, such as `team=shop,tier in (web,api),!test`
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<String>,
    /// Only resources of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Only resources of this health
    #[arg(long, value_name = "STATUS", ignore_case = true,
        value_parser = status)]
    pub(crate) status: Option<HealthStatus>,
    /// Go on with every change until interrupted
    #[arg(short, long, conflicts_with = "exit_status")]
    pub(crate) watch: bool,
    /// Exit 1 unless there are such resources, and every one is HEALTHY
    #[arg(long)]
    pub(crate) exit_status: bool,
}

/// `bellwether events`.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List the events of one resource, oldest first
    #[command(after_help = "Examples:\n  \
        bellwether events list host:n1\n  \
        bellwether events list host:n1 --after 17 -o json")]
    List {
        /// The resource
        #[arg(value_name = "ID")]
        id: ResourceId,
        /// Only events after this sequence
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        after: u64,
        /// At most so many, the oldest first; `bellwether describe ID` shows the latest ten
        #[arg(long, value_name = "N", default_value_t = 500,
            value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Follow what happens until interrupted; resumes where it was after a disconnect
    #[command(after_help = "Examples:\n  \
        bellwether events tail\n  \
        bellwether events tail -l team=shop -o json | jq .data.reason\n  \
        bellwether events tail --pulsar pulsar://broker:6650 --oldest    what the topic holds, and goes on")]
    Tail(TailArgs),
    /// Look for gaps, inversions, repeats and torn lines in files of events, or in a topic
    #[command(after_help = "Examples:\n  \
        bellwether events verify                                  the file of the node's own sink\n  \
        bellwether events verify data/events.jsonl                one file\n  \
        bellwether events verify n1/events*.jsonl n2/events*.jsonl  all nodes, rotated files, too\n  \
        bellwether events verify --pulsar pulsar://broker:6650     all that a topic holds\n\n\
        In a topic an event may be more than once, after a kill: that is counted, and no fault.")]
    Verify {
        /// Files of JSON lines, in any order; where absent, the file sink of the node, if it is alone
        #[arg(value_name = "FILE", conflicts_with = "pulsar")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        topic: TopicArgs,
    },
    /// Decide stored transitions again, also by other thresholds, or send a sink stored events again
    Replay(ReplayArgs),
}

/// `bellwether events tail`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TailArgs {
    /// Follow; always so, accepted out of habit
    #[arg(short, long, hide = true)]
    pub(crate) follow: bool,
    /// Only resources with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector,
        conflicts_with = "pulsar")]
    pub(crate) selector: Option<String>,
    /// Only resources of this namespace
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "pulsar")]
    pub(crate) namespace: Option<String>,
    /// Only this resource
    #[arg(long, value_name = "ID")]
    pub(crate) resource: Option<ResourceId>,
    /// Begin with the oldest event that the topic holds
    #[arg(long, requires = "pulsar")]
    pub(crate) oldest: bool,
    #[command(flatten)]
    pub(crate) topic: TopicArgs,
}

/// Where a topic of Apache Pulsar is.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopicArgs {
    /// Read a topic of Apache Pulsar, at this broker
    #[arg(help_heading = TOPIC, long, value_name = "URL", value_parser = broker)]
    pub(crate) pulsar: Option<String>,
    /// The topic
    #[arg(help_heading = TOPIC, long, value_name = "TOPIC", requires = "pulsar",
        default_value = "persistent://public/default/infrastructure-status", value_parser = topic)]
    pub(crate) topic: String,
    /// The broker's administrative interface; port 8080 of its host, or 8443 behind TLS, where absent
    #[arg(help_heading = TOPIC, long, value_name = "URL", requires = "pulsar")]
    pub(crate) admin_url: Option<String>,
    /// The file with the token to show
    #[arg(help_heading = TOPIC, long, value_name = "FILE", requires = "pulsar")]
    pub(crate) token_file: Option<PathBuf>,
    /// The authorities to trust behind TLS; the system's where absent
    #[arg(help_heading = TOPIC, long, value_name = "FILE", requires = "pulsar")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl TopicArgs {
    /// What reads the topic, where one is meant.
    ///
    /// # Errors
    /// An address is none.
    pub(crate) fn reader(&self) -> Option<Result<TopicReader, SinkError>> {
        let target = PulsarTarget {
            url: self.pulsar.clone()?,
            admin_url: self.admin_url.clone(),
            topic: self.topic.clone(),
            tls: PulsarTls { ca_file: self.ca_file.clone(), ..PulsarTls::default() },
            auth: self.token_file.clone().map_or(PulsarAuth::None, PulsarAuth::TokenFile),
            compression: PulsarCompression::None,
        };
        Some(TopicReader::new(&target))
    }
}

/// `bellwether coverage`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether coverage --since 1h\n  \
    bellwether coverage --since 7d endpoint:shop\n\n\
    Exits 1 where the parts do not add up to what the schedule asked for.")]
pub(crate) struct CoverageArgs {
    /// One resource; all of them where absent
    #[arg(value_name = "ID")]
    pub(crate) id: Option<ResourceId>,
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) since: Millis,
}

/// `bellwether maintenance`.
#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// Announce a window; once this command is done and it has begun, its resources are in MAINTENANCE
    #[command(after_help = "Examples:\n  \
        bellwether maintenance add upgrade -l team=shop --for 2h --reason \"database upgrade\"\n  \
        bellwether maintenance add move host:n1 host:n2 --starts 2027-01-31T22:00:00Z --for 4h")]
    Add(AddArgs),
    /// List windows
    #[command(after_help = "Example:\n  bellwether maintenance list")]
    List,
    /// End a window now
    #[command(after_help = "Example:\n  bellwether maintenance end upgrade")]
    End {
        /// The window
        name: String,
    },
}

/// `bellwether maintenance add`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("end").required(true)))]
pub(crate) struct AddArgs {
    /// A name for the window
    pub(crate) name: String,
    /// Resources by id
    #[arg(value_name = "ID", required_unless_present = "selector")]
    pub(crate) resources: Vec<ResourceId>,
    /// Resources by label, those declared later included
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<String>,
    /// When it begins; now where absent
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) starts: Option<WallTime>,
    /// How long it lasts
    #[arg(long = "for", value_name = "DURATION", group = "end")]
    pub(crate) lasts: Option<Millis>,
    /// When it ends
    #[arg(long, value_name = "TIME", group = "end", value_parser = time)]
    pub(crate) until: Option<WallTime>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// `bellwether config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// The version in force, over all and in every shard
    #[command(after_help = "Example:\n  bellwether config status")]
    Status,
    /// What a file would change; exits 1 where it would change anything
    #[command(after_help = "Examples:\n  \
        bellwether config diff\n  \
        bellwether config diff new/bellwether.yaml")]
    Diff {
        /// The file; the one that the node was started with where absent
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

fn server(text: &str) -> Result<Url, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|e| format!("is not a URL: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("expected a URL such as http://127.0.0.1:7420".to_owned());
    }
    Ok(url)
}

/// Checked here, so that a mistake is a usage error; sent as it was typed.
pub(crate) fn selector(text: &str) -> Result<String, String> {
    text.parse::<Selector>().map(|_| text.to_owned()).map_err(|e| e.to_string())
}

fn broker(text: &str) -> Result<String, String> {
    PulsarSettings::check_url(text).map(|()| text.to_owned()).map_err(|e| e.to_string())
}

fn topic(text: &str) -> Result<String, String> {
    PulsarSettings::check_topic(text).map(|()| text.to_owned()).map_err(|e| e.to_string())
}

fn status(text: &str) -> Result<HealthStatus, String> {
    text.parse::<HealthStatus>().map_err(|e| e.to_string())
}

fn time(text: &str) -> Result<WallTime, String> {
    WallTime::parse_rfc3339(text)
        .ok_or_else(|| "expected an RFC 3339 time such as 2027-01-31T22:00:00Z".to_owned())
}
