//! Probes: one check of one resource, run once and classified by SEMANTICS 4.
//!
//! Invariant: a probe answers before its deadline, and what this host could not do is
//! never reported as the target's failure.

mod budget;
mod dial;
mod dns;
mod fault;
mod files;
mod host;
mod http;
mod icmp;
mod resolve;
mod tcp;
mod timings;
mod tls;
mod trust;

/// What must hold of any bytes that a target answers with.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing {
    pub use super::{dns::fuzzing::answer as dns_answer, http::fuzzing::answer as http_answer};
}
#[cfg(test)]
mod testing;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use model::{CheckSpec, Metrics, Miss, Outcome, ResourceSpec, outcome::clean};
use tokio::time::Instant;

use self::{host::Sampler, icmp::Echoes, resolve::Resolver, trust::Tls};

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The target was examined.
    Concluded {
        /// What is to be said of it.
        outcome: Outcome,
        /// What was measured on the way; times are in milliseconds.
        metrics: Metrics,
    },
    /// The monitor itself could not examine it (SEMANTICS 4).
    Missed {
        /// Why, for the coverage ledger.
        reason: Miss,
        /// Why, for people.
        detail: String,
    },
}

/// One check of one resource, prepared once (patterns compiled, TLS configured) and run often.
pub trait Probe: Send + Sync + 'static {
    /// Examines the target. Never takes longer than until `deadline`, name resolution and
    /// body included. May be dropped at any await.
    fn run(&self, deadline: Instant) -> BoxFuture<'_, Finding>;
}

/// What probes need to know of the node that they run on.
#[derive(Debug, Clone, Default)]
pub struct ProbeSettings {
    /// The node's name; a `host` check of another node is not probed here.
    pub node: String,
    /// The node's `secrets:` map, from names to files.
    pub secrets: BTreeMap<String, PathBuf>,
}

/// Why no probe can be built at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    /// The TLS library offers none of the protocol versions that are asked for.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Builds probes and holds what they share: the resolver, root certificates, echo sockets,
/// and the host's sampler.
#[derive(Clone)]
pub struct Probes {
    shared: Arc<Shared>,
}

/// What all probes of a node share.
pub(crate) struct Shared {
    pub(crate) settings: ProbeSettings,
    pub(crate) resolver: Resolver,
    pub(crate) tls: Tls,
    pub(crate) echoes: Echoes,
    pub(crate) sampler: Sampler,
}

impl Probes {
    /// Prepares what probes share. Opens no socket and reads no file but `/etc/resolv.conf`
    /// and `/etc/hosts`.
    ///
    /// # Errors
    /// [`ProbesError`] where TLS cannot be configured.
    pub fn new(settings: ProbeSettings) -> Result<Self, ProbesError> {
        Self::with_resolver(settings, Resolver::system())
    }

    pub(crate) fn with_resolver(
        settings: ProbeSettings,
        resolver: Resolver,
    ) -> Result<Self, ProbesError> {
        let shared = Shared {
            settings,
            resolver,
            tls: Tls::new()?,
            echoes: Echoes::new(),
            sampler: Sampler::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The probe of a resource. What cannot be prepared becomes a probe that says so each
    /// time it runs; files are read when it runs, because they may appear later.
    #[must_use]
    pub fn build(&self, spec: &ResourceSpec) -> Arc<dyn Probe> {
        let shared = Arc::clone(&self.shared);
        match &spec.check {
            CheckSpec::Host(check) => Arc::new(host::HostProbe::new(shared, check)),
            CheckSpec::Http(check) => or_idle(http::HttpProbe::new(shared, check)),
            CheckSpec::Tcp(check) => or_idle(tcp::TcpProbe::new(shared, check)),
            CheckSpec::Icmp(check) => Arc::new(icmp::IcmpProbe::new(shared, check)),
            CheckSpec::Dns(check) => or_idle(dns::DnsProbe::new(shared, check)),
            CheckSpec::Tls(check) => or_idle(tls::TlsProbe::new(shared, check)),
            CheckSpec::Push(_) => Arc::new(Idle {
                reason: Miss::NoReport,
                detail: "results of this resource come by the API".to_owned(),
            }),
        }
    }
}

/// A resource that no probe can examine.
struct Idle {
    reason: Miss,
    detail: String,
}

impl Probe for Idle {
    fn run(&self, _deadline: Instant) -> BoxFuture<'_, Finding> {
        let finding = Finding::Missed { reason: self.reason, detail: self.detail.clone() };
        Box::pin(std::future::ready(finding))
    }
}

/// The probe, or one that says why there is none.
fn or_idle<P: Probe>(probe: Result<P, String>) -> Arc<dyn Probe> {
    match probe {
        Ok(probe) => Arc::new(probe),
        Err(detail) => Arc::new(Idle { reason: Miss::NoProber, detail: clean(&detail) }),
    }
}
