//! Names to addresses, as this system resolves them: `/etc/hosts`, then the name servers
//! and search list of `/etc/resolv.conf`. Both files are read again when they change.
//!
//! Invariant: "there is no such name" is said only where a name server said so of every
//! candidate; a resolver that fails is this host's trouble (SEMANTICS 4).

mod answer;
mod cache;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, select};
use hickory_resolver::{
    Hosts, TokioResolver,
    config::{ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::read_system_conf,
};
use model::Miss;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use self::{
    answer::{Answer, merge},
    cache::Cache,
};
use super::{budget::Budget, fault::Fault, files::Stamp};

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
/// How often the two files are looked at.
const RECHECK: Duration = Duration::from_secs(5);
/// How long the other family's answer is waited for once there are addresses (RFC 8305,
/// section 3): some servers never answer one of the two questions.
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// More addresses of one name than anybody can try.
const MAX_ADDRESSES: usize = 16;

/// Resolves names. Answers are kept no longer than their time to live.
pub(crate) struct Resolver {
    loaded: Mutex<Loaded>,
    follows_files: bool,
}

struct Loaded {
    looked: Instant,
    stamps: [Option<Stamp>; 2],
    state: Result<Arc<State>, String>,
}

/// One reading of the system's configuration.
struct State {
    lookups: TokioResolver,
    known: Cache,
    hosts: Hosts,
    search: Vec<Name>,
    ndots: usize,
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// Resolves as this system is configured to.
    pub(crate) fn system() -> Self {
        Self { loaded: Mutex::new(load()), follows_files: true }
    }

    /// Resolves by a given configuration, without `/etc/hosts`.
    #[cfg(test)]
    pub(crate) fn fixed(config: ResolverConfig, options: ResolverOpts) -> Self {
        let state = State::new(config, options, Hosts::default());
        let loaded = Loaded { looked: Instant::now(), stamps: [None; 2], state };
        Self { loaded: Mutex::new(loaded), follows_files: false }
    }

    /// The addresses of a name, IPv4 first; never none.
    pub(crate) async fn addresses(&self, name: &str, budget: Budget) -> Result<Vec<IpAddr>, Fault> {
        let state = self.state()?;
        let Ok(parsed) = Name::from_str_relaxed(name) else {
            return Err(Fault::failed(format!("{name} is not a name")));
        };
        let looking = async { state.addresses(name, &parsed).await };
        budget
            .run(looking, || Fault::missed(Miss::Resolver, format!("timed out resolving {name}")))
            .await
    }

    /// The addresses of one family that the hosts file has for a name, if it has any.
    pub(crate) fn in_hosts_file(
        &self,
        name: &Name,
        family: RecordType,
    ) -> Result<Option<Vec<IpAddr>>, Fault> {
        if !matches!(family, RecordType::A | RecordType::AAAA) {
            return Ok(None);
        }
        let known = self.state()?.in_hosts_file(name);
        let mut known = known.unwrap_or_default();
        known.retain(|address| address.is_ipv4() == (family == RecordType::A));
        Ok((!known.is_empty()).then_some(known))
    }

    /// The name servers of this system.
    pub(crate) fn servers(&self) -> Result<Vec<SocketAddr>, Fault> {
        Ok(self.state()?.servers.clone())
    }

    fn state(&self) -> Result<Arc<State>, Fault> {
        let mut loaded = self.loaded.lock();
        if self.follows_files && loaded.looked.elapsed() >= RECHECK {
            loaded.looked = Instant::now();
            if loaded.stamps != stamps() {
                *loaded = load();
            }
        }
        loaded.state.clone().map_err(|detail| Fault::missed(Miss::Resolver, detail))
    }
}

impl State {
    fn new(
        config: ResolverConfig,
        mut options: ResolverOpts,
        hosts: Hosts,
    ) -> Result<Arc<Self>, String> {
        let servers = server_addresses(&config);
        let search = search_list(&config);
        let ndots = options.ndots;
        options.use_hosts_file = ResolveHosts::Never;
        // It would keep whole answers.
        options.cache_size = 0;
        let config = ResolverConfig::from_name_servers(config.into_parts().2);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let lookups = builder.build().map_err(|error| error.to_string())?;
        let known = Cache::default();
        Ok(Arc::new(Self { lookups, known, hosts, search, ndots, servers }))
    }

    async fn addresses(&self, text: &str, name: &Name) -> Result<Vec<IpAddr>, Fault> {
        if let Some(addresses) = self.in_hosts_file(name) {
            return Ok(addresses);
        }
        let mut worst = Answer::NoSuchName;
        for candidate in self.candidates(name) {
            match self.both_families(candidate).await {
                Answer::Addresses(mut addresses) => {
                    addresses.truncate(MAX_ADDRESSES);
                    return Ok(addresses);
                }
                other => worst = worst.or_worse(other),
            }
        }
        Err(match worst {
            Answer::Broken(detail) => {
                Fault::missed(Miss::Resolver, format!("cannot resolve {text}: {detail}"))
            }
            Answer::NoAddress | Answer::Addresses(_) => {
                Fault::failed(format!("{text} has no address"))
            }
            Answer::NoSuchName => Fault::failed(format!("NXDOMAIN: {text} does not exist")),
        })
    }

    fn in_hosts_file(&self, name: &Name) -> Option<Vec<IpAddr>> {
        let of = |family| {
            let lookup = self.hosts.lookup_static_host(&Query::query(name.clone(), family));
            lookup.map_or_else(Vec::new, |lookup| answer::addresses(&lookup))
        };
        let addresses = [of(RecordType::A), of(RecordType::AAAA)].concat();
        (!addresses.is_empty()).then_some(addresses)
    }

    /// The names to ask for, in order (resolv.conf(5), `search` and `ndots`).
    fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        if name.is_fqdn() || name.is_localhost() {
            return vec![absolute];
        }
        let searched = self.search.iter().filter_map(|domain| {
            let mut candidate = name.clone().append_domain(domain).ok()?;
            candidate.set_fqdn(true);
            Some(candidate)
        });
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        if dots >= self.ndots {
            std::iter::once(absolute).chain(searched).collect()
        } else {
            searched.chain([absolute.clone()]).collect()
        }
    }

    async fn both_families(&self, name: Name) -> Answer {
        let v4 = Box::pin(self.one_family(name.clone(), RecordType::A));
        let v6 = Box::pin(self.one_family(name, RecordType::AAAA));
        match select(v4, v6).await {
            Either::Left((v4, v6)) => {
                let v6 = second(&v4, v6).await;
                merge(v4, v6)
            }
            Either::Right((v6, v4)) => {
                let v4 = second(&v6, v4).await;
                merge(v4, v6)
            }
        }
    }

    async fn one_family(&self, name: Name, family: RecordType) -> Answer {
        if let Some(known) = self.known.get(&name, family) {
            return known;
        }
        let found = self.lookups.lookup(name.clone(), family).await;
        let until = answer::valid_until(&found);
        let answer = Answer::of(found).at_most(MAX_ADDRESSES);
        if let Some(until) = until {
            self.known.keep(name, family, answer.clone(), until);
        }
        answer
    }
}

/// The second family's answer, not waited for long where the first one suffices.
async fn second(first: &Answer, other: impl Future<Output = Answer>) -> Answer {
    if matches!(first, Answer::Addresses(_)) {
        timeout(OTHER_FAMILY, other).await.unwrap_or(Answer::NoAddress)
    } else {
        other.await
    }
}

fn load() -> Loaded {
    let stamps = stamps();
    let state = match read_system_conf() {
        Ok((config, options)) => {
            State::new(config, options, Hosts::from_system().unwrap_or_default())
        }
        Err(error) => Err(format!("cannot use {RESOLV_CONF}: {error}")),
    };
    Loaded { looked: Instant::now(), stamps, state }
}

fn stamps() -> [Option<Stamp>; 2] {
    [RESOLV_CONF, HOSTS].map(|path| Stamp::of(Path::new(path)))
}

fn server_addresses(config: &ResolverConfig) -> Vec<SocketAddr> {
    let port_of = |server: &hickory_resolver::config::NameServerConfig| {
        let plain = server.connections.iter().find(|c| c.protocol == ProtocolConfig::Udp);
        plain.map_or(53, |connection| connection.port)
    };
    config.name_servers().iter().map(|s| SocketAddr::new(s.ip, port_of(s))).collect()
}

fn search_list(config: &ResolverConfig) -> Vec<Name> {
    let mut search = config.search().to_vec();
    if let (true, Some(domain)) = (search.is_empty(), config.domain()) {
        search.push(domain.clone());
    }
    search
}
