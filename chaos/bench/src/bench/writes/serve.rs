//! `bellwether-bench serve-writes`: a node's shards behind plain gRPC, in a process of its own.
//!
//! Invariant: a write is answered only after `raft::Shards` has answered it, durable and applied.

mod peers;

use std::{net::SocketAddr, path::PathBuf, pin::Pin, sync::Arc};

use anyhow::{Context, Result, bail};
use futures_util::{Stream, StreamExt, TryStreamExt, future::try_join_all, stream};
use model::Owner;
use raft::{Command, Consistency, Options, Precondition, Push, Registration, Reply, Shards};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use super::layout;
use crate::wire::writes::{
    LeadersReply, LeadersRequest, ReadReply, ReadRequest, StatsReply, StatsRequest, WriteReply,
    WriteRequest,
    writes_server::{Writes, WritesServer},
};
use peers::{Membership, Network};

/// Writes of one stream that wait for their sync; beyond it the stream is not read.
const STREAM_WINDOW: usize = 256;
/// Declarations that are proposed together.
const DECLARE_AT_ONCE: usize = 512;

/// How to serve.
#[derive(Debug, Clone, clap::Args)]
pub struct Serve {
    /// The data directory
    #[arg(long)]
    pub data_dir: PathBuf,
    /// How many shards, so groups
    #[arg(long)]
    pub groups: u32,
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
    /// How many voters to wait for
    #[arg(long, default_value_t = 1)]
    pub voters: usize,
    /// How it takes part in a cluster of several
    #[command(flatten)]
    pub membership: Membership,
}

/// Opens the shards, declares the resources and serves until SIGTERM.
///
/// # Errors
/// Where the shards cannot be opened or the address is taken.
pub async fn serve(args: Serve) -> Result<()> {
    let network = Network::open(&args.membership).await?;
    let alone = options(&args);
    let options = match &network {
        Some(network) => network.options(alone),
        None => alone,
    };
    let shards = Shards::open(options).await?;
    if let Some(network) = network {
        network.meet(&shards);
    }
    if args.membership.founds() {
        peers::formed(&shards, args.voters).await;
        declare_all(&shards).await?;
    }
    let service = WritesServer::new(Service { shards: shards.clone() });
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async move { term.recv().await.unwrap_or_default() };
    let server = Server::builder().tcp_nodelay(true).add_service(service);
    let served = server.serve_with_shutdown(args.listen, stop).await;
    shards.close().await;
    served.with_context(|| format!("cannot serve on {}", args.listen))
}

fn options(args: &Serve) -> Options {
    // The node's own way: what cannot be trusted does not go on.
    let fatal = Arc::new(|_: &str| std::process::exit(1));
    Options::on_disk("bench", args.groups, args.data_dir.clone(), fatal)
}

async fn declare_all(shards: &Shards) -> Result<()> {
    for first in (0..layout::RESOURCES).step_by(DECLARE_AT_ONCE) {
        let numbers = first..(first + DECLARE_AT_ONCE).min(layout::RESOURCES);
        try_join_all(numbers.map(|number| declare(shards, number))).await?;
    }
    Ok(())
}

async fn declare(shards: &Shards, number: usize) -> Result<()> {
    let spec = layout::spec(number);
    let registration = Registration { spec, owner: Owner::Api, precondition: Precondition::None };
    match shards.declare(registration, None).await?.reply {
        Reply::Declared { .. } => Ok(()),
        other => bail!("declaring {} was answered by {other:?}", layout::id(number)),
    }
}

struct Service {
    shards: Shards,
}

async fn write(shards: &Shards, request: WriteRequest) -> Result<WriteReply, Status> {
    let push: Push = postcard::from_bytes(&request.push)
        .map_err(|e| Status::invalid_argument(format!("not a push: {e}")))?;
    let shard = shards.shard_of(&push.resource);
    let answer = shards.propose(shard, Command::Push(Box::new(push))).await;
    match answer.map_err(|e| Status::unavailable(e.to_string()))?.reply {
        Reply::Pushed { revision } => Ok(WriteReply { revision: revision.0 }),
        other => Err(Status::failed_precondition(format!("{other:?}"))),
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<WriteReply, Status>> + Send>>;

#[tonic::async_trait]
impl Writes for Service {
    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteReply>, Status> {
        write(&self.shards, request.into_inner()).await.map(Response::new)
    }

    type WriteStreamStream = Replies;

    async fn write_stream(
        &self,
        requests: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let shards = self.shards.clone();
        let replies = stream::once(async move { requests.into_inner() })
            .flatten()
            .map_ok(move |request| {
                let shards = shards.clone();
                async move { write(&shards, request).await }
            })
            .try_buffered(STREAM_WINDOW);
        Ok(Response::new(Box::pin(replies)))
    }

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadReply>, Status> {
        let id = request.into_inner().resource;
        let id = id.parse().map_err(|e| Status::invalid_argument(format!("{e}")))?;
        let read = self.shards.get(&id, Consistency::Linearizable).await;
        let row = read.map_err(|e| Status::unavailable(e.to_string()))?.value;
        let row = row.ok_or_else(|| Status::not_found("no such resource"))?;
        let observed_at_ms = row.resource.state.pushed_at.map_or(0, |at| at.0);
        Ok(Response::new(ReadReply { observed_at_ms }))
    }

    async fn stats(&self, _: Request<StatsRequest>) -> Result<Response<StatsReply>, Status> {
        let (syncs, time) = self.shards.sync_stats();
        let sync_micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let node = self.shards.node_id().0;
        Ok(Response::new(StatsReply { syncs, sync_micros, node }))
    }

    async fn leaders(&self, _: Request<LeadersRequest>) -> Result<Response<LeadersReply>, Status> {
        let leaders = peers::leaders(&self.shards).await;
        let nodes = leaders.map_err(|e| Status::unavailable(e.to_string()))?;
        Ok(Response::new(LeadersReply { nodes }))
    }
}
