//! `bellwether cluster`: founds a cluster, shows its nodes and shards, and moves nodes out.

mod drain;
mod join;
mod status;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    client::{Client, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::text,
};

/// Where the cluster is asked for.
const CLUSTER: [&str; 3] = ["api", "v1", "cluster"];
/// And its nodes.
const NODES: [&str; 4] = ["api", "v1", "cluster", "nodes"];

/// `bellwether cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show nodes, shards and what is being moved
    #[command(after_help = "Examples:\n  \
        bellwether cluster status\n  \
        bellwether cluster status -w                 again and again, until interrupted\n  \
        bellwether cluster status -o json | jq '.nodes[] | select(.error)'\n\n\
        Exits 1 where a node does not answer or a shard has no leader.")]
    Status(StatusArgs),
    /// Found a cluster, once, with the asked node as its first
    #[command(after_help = "Examples:\n  \
        bellwether cluster init\n  \
        bellwether --server http://127.0.0.1:7430 cluster init   at n2 of `make cluster`\n\n\
        The other nodes join by themselves: their `peers` name a node of the cluster, and their\n\
        certificates are of its authority (see `bellwether certs --help`).")]
    Init {
        /// Also where configured peers do not answer: they may know of another cluster
        #[arg(long)]
        alone: bool,
    },
    /// Wait until the asked node has joined, and say what it waits for
    #[command(after_help = "Example:\n  bellwether --server http://127.0.0.1:7430 cluster join")]
    Join,
    /// Move a node's leads and replicas to others, and say how far it is
    #[command(after_help = "Examples:\n  \
        bellwether cluster drain n3                  returns once n3 leads and votes nowhere\n  \
        bellwether cluster drain n3 --resume         let it take part again")]
    Drain {
        /// The node, by its name or id
        #[arg(value_name = "NODE")]
        node: String,
        /// End the draining instead
        #[arg(long)]
        resume: bool,
    },
    /// Take a node out of the cluster for good; its id is never used again
    #[command(after_help = "Example:\n  bellwether cluster remove n3\n\n\
        Drain it first where it still runs. Refused where a group would lose its quorum. A node\n\
        that has lost its disk is removed, and then started with an empty data_dir: it joins as\n\
        a new node.")]
    Remove {
        /// The node, by its name or id
        #[arg(value_name = "NODE")]
        node: String,
    },
}

/// `bellwether cluster status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Show it again whenever it has changed, until interrupted
    #[arg(short, long)]
    watch: bool,
}

/// Does it.
pub(super) async fn run(
    command: &ClusterCommand,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    match command {
        ClusterCommand::Status(args) if args.watch => status::watch(client, output).await,
        ClusterCommand::Status(_) => status::show(client, output).await,
        ClusterCommand::Init { alone } => init(*alone, client, output).await,
        ClusterCommand::Join => join::wait(client).await,
        ClusterCommand::Drain { node, resume: false } => drain::run(node, client).await,
        ClusterCommand::Drain { node, resume: true } => {
            client.post(&NODES, &[node, "resume"], &Query::new()).await?;
            note(&format!("{node} takes part again"));
            Ok(Verdict::Good)
        }
        ClusterCommand::Remove { node } => {
            client.write(&NODES, node, None).await?;
            note(&format!(
                "{node} is removed; its replicas go to others, see `bellwether cluster status`"
            ));
            Ok(Verdict::Good)
        }
    }
}

async fn init(alone: bool, client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let query: Query = if alone { vec![("alone", "true".to_owned())] } else { Query::new() };
    let founded = client.post(&CLUSTER, &["init"], &query).await?.body;
    let human = |_: &Output| {
        let (name, node) = (text(&founded, "name"), text(&founded, "node"));
        let shards = founded["shards"].as_u64().unwrap_or(0);
        format!("cluster {name} is founded with {shards} shards; {node} is its first node\n")
    };
    output.show(&founded, |founded| vec![text(founded, "name").to_owned()], human)?;
    note("the other nodes join by themselves; see `bellwether cluster status`");
    Ok(Verdict::Good)
}

/// The cluster, as the asked node shows it.
async fn ask(client: &Client) -> Result<Value, CliError> {
    Ok(client.get(&CLUSTER, &[], &Query::new()).await?.body)
}
