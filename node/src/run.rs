//! Runs a node: opens what is stored, brings the configuration in, starts the actors and the
//! API, and takes everything down in the reverse order when it is told to stop.

mod announce;
mod banner;
mod cluster;
mod hooks;
mod limits;
mod memory;
mod reload;
mod signals;
mod subscriptions;
mod telemetry;
mod threads;

use std::{process::ExitCode, sync::Arc};

use actors::{Actors, Settings, SinkSetting, probe::ProbeSettings};
use api::ApiState;
use raft::{Options, Shards};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    cli::args::RunArgs,
    config::{Config, Grpc, Listen, SinkKind},
};
use cluster::{Member, Network, Waited};
use limits::Descriptors;
use memory::Memory;
use reload::Reloader;
use telemetry::NodeMetrics;
pub(crate) use threads::runtime;

/// How long the leads of a node that stops may take to go to others.
const YIELD: std::time::Duration = std::time::Duration::from_secs(5);

/// Why a node does not run. Each message names the remedy.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0}")]
    Configuration(String),
    #[error("cannot listen on {address}: {source}; stop what listens there, or set listen.{key}")]
    Listen { key: &'static str, address: std::net::SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Peers(#[from] net::ListenError),
    #[error("cannot use {path}: {source}; check that data_dir exists and is writable")]
    Key { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Descriptors(#[from] limits::TooFew),
    #[error(transparent)]
    Open(#[from] raft::OpenError),
    #[error("the configuration could not be stored: {0}")]
    Store(#[from] raft::ProposeError),
    #[error(transparent)]
    Actors(#[from] actors::StartError),
    #[error("the API ended: {0}")]
    Api(std::io::Error),
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(args: RunArgs) -> ExitCode {
    match try_run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(RunError::Configuration(problems)) => {
            banner::problems(&problems);
            ExitCode::FAILURE
        }
        Err(fault) => {
            error!("{fault}");
            ExitCode::FAILURE
        }
    }
}

async fn try_run(args: RunArgs) -> Result<(), RunError> {
    let origins = args.origins();
    let config =
        Config::load(&origins).map_err(|invalid| RunError::Configuration(invalid.to_string()))?;
    let exposed = config.listen.check_exposure(args.insecure);
    exposed.map_err(|refusal| RunError::Configuration(refusal.to_string()))?;
    let mut signals = signals::Signals::install().map_err(RunError::Signals)?;
    threads::make_ahead().await;
    let descriptors = limits::share_descriptors()?;
    // Before anything is opened, so that a port that is taken costs nothing.
    let listener = listen("http", config.listen.http).await?;
    let (metrics, stop) = (NodeMetrics::new(), CancellationToken::new());
    let network = Network::open(&config, &metrics.peers, &stop).await?;
    if network.is_some() && args.accept_data_loss {
        let refusal = "--accept-data-loss is for a node that is alone; of a cluster of several, \
            remove the node (bellwether cluster remove NODE, asked of another node) and start it with an empty data_dir, so \
            that it joins as a new one";
        return Err(RunError::Configuration(refusal.to_owned()));
    }
    let waited = match &network {
        Some(network) => network.settle(&config, listener.try_clone()?, signals.stop()).await?,
        None => Waited::Nothing,
    };
    let joined = match waited {
        Waited::Nothing => None,
        Waited::Joined(joined) => Some(joined),
        Waited::Stopped => return Ok(()),
    };
    // After all others, whose ports somebody has chosen; and a node that waits does not answer there.
    let grpc = listen_for_grpc(&config.listen).await?;
    let options = options(&config, args.accept_data_loss, (network.as_ref(), joined.as_ref()));
    let shards = Shards::open(options).await?;
    let facts = match &network {
        Some(network) => network.facts(),
        None => cluster::facts_alone(&config),
    };
    let others = (network.as_ref(), &shards);
    let announcement = network.as_ref().and_then(|network| network.announcement(&config));
    let member = Member::start(others, (facts, joined.as_ref(), announcement), &stop);
    let served = serve(
        config,
        origins,
        &shards,
        ((listener.try_clone()?, grpc), signals, descriptors),
        metrics,
    )
    .await;
    member.stop();
    shards.close().await;
    stop.cancel();
    info!("everything is stored; stopped");
    served
}

/// The listener of the API: one that waits to join uses it first, and then the member.
struct ApiListener(std::net::TcpListener);

async fn listen(key: &'static str, address: std::net::SocketAddr) -> Result<ApiListener, RunError> {
    let bound = TcpListener::bind(address).await.and_then(TcpListener::into_std);
    bound.map(ApiListener).map_err(|source| RunError::Listen { key, address, source })
}

/// A node that was told nothing of gRPC runs without it where somebody else has its usual port.
async fn listen_for_grpc(places: &Listen) -> Result<Option<ApiListener>, RunError> {
    match listen("grpc", places.grpc()).await {
        Err(fault) if places.grpc == Grpc::Usual => {
            warn!("gRPC is not served: {fault}");
            Ok(None)
        }
        listener => listener.map(Some),
    }
}

impl ApiListener {
    fn try_clone(&self) -> Result<TcpListener, RunError> {
        self.0.try_clone().and_then(TcpListener::from_std).map_err(RunError::Api)
    }
}

/// Brings the configuration in, runs until the signal, and stops what it has started.
async fn serve(
    mut config: Config,
    origins: crate::config::Origins,
    shards: &Shards,
    ((listener, grpc), signals, descriptors): (
        (TcpListener, Option<ApiListener>),
        signals::Signals,
        Descriptors,
    ),
    metrics: NodeMetrics,
) -> Result<(), RunError> {
    let stored = reload::store_at_start(shards, &config).await?;
    let reloader = Arc::new(Reloader::new(origins, &config, shards.clone(), metrics.clone()));
    let declared = config.resources.len();
    config.forget_resources();
    let settings = settings(&config, shards, &metrics, descriptors);
    let actors = Arc::new(Actors::start(settings).await?);
    let memory = Memory::watch(config.node.memory_limit);
    let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
    metrics.reloaded(stored);
    let guards = (memory, descriptors);
    let tokens = [draining.clone(), stop.clone()];
    let hooks = hooks::hooks(&actors, &reloader, shards, &metrics, guards, tokens);
    let state = ApiState::new(shards.clone(), hooks);
    let clients = threads::ForClients::new().map_err(RunError::Api)?;
    let (listener, grpc) = {
        let _there = clients.handle().enter();
        let listener =
            listener.into_std().and_then(TcpListener::from_std).map_err(RunError::Api)?;
        (listener, grpc.as_ref().map(ApiListener::try_clone).transpose()?)
    };
    if let Some(address) = grpc.as_ref().and_then(|grpc| grpc.local_addr().ok()) {
        info!(%address, "gRPC is served");
    }
    let (rest, stops) = (api::serve(listener, state.clone(), stop.clone()), stop.clone());
    let mut api = clients.handle().spawn(async move {
        match grpc {
            Some(grpc) => tokio::try_join!(rest, api::serve_grpc(grpc, state, stops)).map(drop),
            None => rest.await,
        }
    });
    let announcing = tokio::spawn(announce::transitions(shards.clone(), stop.clone()));
    banner::ready(&config, declared, shards);
    let early = tokio::select! {
        () = signals.wait(&reloader) => None,
        ended = &mut api => Some(ended),
    };
    info!("stopping: probes in flight finish, then everything is stored");
    draining.cancel();
    // Each shard's actors end, and another node leads at once. No question is refused for as long as
    // probes still report: actors first, then the API.
    shards.yield_leads(YIELD).await;
    actors.stop().await;
    stop.cancel();
    let _ = announcing.await;
    let ended = match early {
        Some(ended) => ended,
        None => api.await,
    };
    ended.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(RunError::Api)
}

fn options(
    config: &Config,
    accept_data_loss: bool,
    (network, joined): (Option<&Network>, Option<&net::Joined>),
) -> Options {
    let (cluster, data_dir) = (&config.cluster, &config.node.data_dir);
    let fatal = Arc::new(|why: &str| {
        error!("{why}; exiting, because what is stored can no longer be trusted");
        // Without what is registered to run at an exit: RocksDB's own would meet threads
        // that still work on the store, and end the process by a signal.
        signal_hook::low_level::exit(1);
    });
    let alone = Options::on_disk(&cluster.name, cluster.shards, data_dir.clone(), fatal);
    Options {
        accept_data_loss,
        disk_reserve: config.node.disk_reserve,
        progress: banner::progress(data_dir),
        transport: match network {
            Some(network) => Arc::new(network.links.clone()),
            None => Arc::clone(&alone.transport),
        },
        alone: network.is_none(),
        joins: joined.map(cluster::joins),
        ..alone
    }
}

fn settings(
    config: &Config,
    shards: &Shards,
    metrics: &NodeMetrics,
    descriptors: Descriptors,
) -> Settings {
    let sinks = config.sinks.iter().map(|sink| {
        let kind = match sink.kind.clone() {
            SinkKind::File(file) => actors::SinkKind::File {
                path: file.path,
                rotate_bytes: file.rotate_bytes,
                keep: file.keep.map(|keep| keep as usize),
            },
            SinkKind::Pulsar(target) => actors::SinkKind::Pulsar(target),
        };
        SinkSetting { name: sink.name.clone(), kind }
    });
    let secrets = config.secrets.iter();
    let probes = ProbeSettings {
        node: config.node.name.clone(),
        secrets: secrets.map(|(name, secret)| (name.clone(), secret.file.clone())).collect(),
    };
    Settings {
        shards: shards.clone(),
        probes,
        places: descriptors.probes,
        sinks: sinks.collect(),
        metrics: metrics.actors.clone(),
        publish_metrics: metrics.publishing.clone(),
    }
}
