//! What the handlers share: the replicated state, and what the node that hosts them lends.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;
use model::{
    Revision,
    spec::{Defaults, Origin, SpecDecoder},
};
use prometheus_client::registry::Registry;
use raft::Shards;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    layer::LargeReads,
    limits::Limits,
    metrics::{Census, GrpcMetrics, HttpMetrics},
    sinks::{SubscriptionFault, SubscriptionHook},
    watch::Recent,
};

/// The context of the handlers. A cheap clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    shards: Shards,
    hooks: Hooks,
    http: HttpMetrics,
    grpc: GrpcMetrics,
    census: Census,
    in_flight: Arc<Semaphore>,
    pushes: Semaphore,
    connections: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    recent: Arc<Recent>,
    large_reads: LargeReads,
    was_ready: AtomicBool,
}

/// Says by which rules declarations over the API are read; asked anew for each, so that a
/// reload counts at once.
pub type Declarations = Arc<dyn Fn() -> Arc<DeclarationContext> + Send + Sync>;
/// Reloads the configuration. The error lists what is wrong; the old one then stays in force.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Vec<String>>> + Send + Sync>;
/// Says what else must hold before the node is ready.
pub type Readiness = Arc<dyn Fn() -> Vec<ReadinessCheck> + Send + Sync>;

/// Says why reads that take much memory are refused now, if they are; asked with the bytes that
/// those under way may yet take.
pub type Shortage = Arc<dyn Fn(u64) -> Option<String> + Send + Sync>;

/// What the node lends to the API.
#[derive(Clone)]
pub struct Hooks {
    /// The node's own metrics, shown at `/metrics` beside those of the API.
    pub registry: Arc<Registry>,
    /// How declarations are read.
    pub declarations: Declarations,
    /// What `POST /-/reload` does.
    pub reload: Reload,
    /// What is done with the subscriptions of a sink.
    pub subscriptions: SubscriptionHook,
    /// What else must hold before the node is ready.
    pub readiness: Readiness,
    /// Why lists and watches are refused now, if they are.
    pub short_of_memory: Shortage,
    /// Cancelled once the node stops: it turns unready and watches end with a bookmark.
    pub shutdown: CancellationToken,
    /// The bounds.
    pub limits: Limits,
}

/// What the reading of a declaration depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclarationContext {
    /// What a declaration gets where it says nothing.
    pub defaults: Defaults,
    /// The name of this node, for `host` checks.
    pub node: String,
    /// The region of this node.
    pub region: Option<String>,
    /// The names in the node's `secrets:` map.
    pub secrets: BTreeSet<String>,
}

/// One condition of readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadinessCheck {
    /// What is looked at.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// Whether the node is unready while it is not.
    pub required: bool,
    /// What was found, for people.
    pub detail: String,
}

impl DeclarationContext {
    /// The decoder for declarations of clients: they can point at no file of the node
    /// (SEMANTICS 28).
    #[must_use]
    pub fn decoder(&self) -> SpecDecoder<'_> {
        SpecDecoder {
            defaults: &self.defaults,
            origin: Origin::Api,
            node: &self.node,
            region: self.region.as_deref(),
            secrets: &self.secrets,
        }
    }
}

impl Default for Hooks {
    /// Defaults for everything; reloading reports that there is nothing to reload.
    fn default() -> Self {
        let context = Arc::new(DeclarationContext::default());
        Self {
            registry: Arc::new(Registry::default()),
            declarations: Arc::new(move || Arc::clone(&context)),
            reload: Arc::new(|| {
                Box::pin(async { Err(vec!["this node has no configuration to reload".to_owned()]) })
            }),
            subscriptions: Arc::new(|call| {
                let detail = format!("this node runs no sink {:?}", call.sink);
                Box::pin(async { Err(SubscriptionFault::NotFound(detail)) })
            }),
            readiness: Arc::new(Vec::new),
            short_of_memory: Arc::new(|_| None),
            shutdown: CancellationToken::new(),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("hooks", &self.0.hooks).finish_non_exhaustive()
    }
}

impl ApiState {
    /// The context over `shards` and what the node lends.
    #[must_use]
    pub fn new(shards: Shards, hooks: Hooks) -> Self {
        Self(Arc::new(Inner {
            http: HttpMetrics::new(),
            grpc: GrpcMetrics::new(),
            census: Census::default(),
            in_flight: Arc::new(Semaphore::new(hooks.limits.in_flight)),
            pushes: Semaphore::new((hooks.limits.in_flight / 4).max(1)),
            connections: Arc::new(Semaphore::new(hooks.limits.connections)),
            watches: Arc::new(Semaphore::new(hooks.limits.watches)),
            streams: Arc::new(Semaphore::new(hooks.limits.streams)),
            was_ready: AtomicBool::new(false),
            recent: Arc::new(Recent::new(shards.shard_count())),
            large_reads: LargeReads::default(),
            shards,
            hooks,
        }))
    }

    pub(crate) fn large_reads(&self) -> &LargeReads {
        &self.0.large_reads
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.0.shards
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.hooks.limits
    }

    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.0.hooks.shutdown
    }

    pub(crate) fn http(&self) -> &HttpMetrics {
        &self.0.http
    }

    pub(crate) fn grpc(&self) -> &GrpcMetrics {
        &self.0.grpc
    }

    pub(crate) fn census(&self) -> &Census {
        &self.0.census
    }

    pub(crate) fn in_flight(&self) -> &Arc<Semaphore> {
        &self.0.in_flight
    }

    /// Observations that came on streams and are worked on: they wait for each other, and not for others.
    pub(crate) fn pushes(&self) -> &Semaphore {
        &self.0.pushes
    }

    /// Connections that may yet be open, over all listeners.
    pub(crate) fn connections(&self) -> &Arc<Semaphore> {
        &self.0.connections
    }

    pub(crate) fn watches(&self) -> &Arc<Semaphore> {
        &self.0.watches
    }

    /// Streams of gRPC that may yet be open.
    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    /// What all watches share.
    pub(crate) fn recent(&self) -> &Arc<Recent> {
        &self.0.recent
    }

    /// How far this node has applied: the revision of answers that read no resource.
    pub(crate) fn own_revision(&self) -> Revision {
        let shards = self.shards();
        shards.shard_ids().map(|shard| *shards.applied(shard).borrow()).max().unwrap_or_default()
    }

    /// Whether the node was ready at least once.
    pub(crate) fn has_started(&self) -> bool {
        self.0.was_ready.load(Ordering::Relaxed)
    }

    pub(crate) fn note_ready(&self) {
        self.0.was_ready.store(true, Ordering::Relaxed);
    }
}
