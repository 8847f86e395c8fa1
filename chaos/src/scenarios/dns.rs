//! Row 20: names cannot be resolved, or only late, or wrongly. That is the monitor's trouble;
//! that a name does not exist is the target's (SEMANTICS 4).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::targets::{Protocol, Targets};
use rand::RngExt;
use serde_json::{Value, json};

use crate::{
    arena::Arena,
    history::Moment,
    mechanism::resolver::{Mode, RESOLVER, Resolver},
    scenario::{Fault, Scenario, Site},
    workload::{Watched, since},
};

pub(super) const DNS: Scenario = Scenario {
    row: 20,
    name: "dns",
    fault: "name servers fail, refuse, are silent, slow, deny every name, or somebody lies",
    invariants: "AEPGCMU",
    gap: 1_500,
    needs: &[RESOLVER],
    begin,
    ..Scenario::USUAL
};

/// Targets by name, and as many names that are looked up.
const NAMES: usize = 5;
/// Three intervals make a resource stale; one more until it must be told.
const OUTAGE: Duration = Duration::from_millis(5_500);
const MODES: [Mode; 6] = [
    Mode::Failing,
    Mode::Refusing,
    Mode::Silent,
    Mode::Poisoned,
    Mode::NoSuchName,
    Mode::Slow(Duration::from_millis(150)),
];

struct Dns {
    resolver: Arc<Resolver>,
    given: Arc<Resolver>,
    names: Vec<String>,
}

fn begin(site: &mut Site<'_>) -> Result<Box<dyn Fault>> {
    let (resolver, given) = (Arc::new(Resolver::start(0)?), Arc::new(Resolver::start(1)?));
    let dir = site.node().dir().to_owned();
    resolver.alone(site.node().launcher(), &dir)?;
    Ok(Box::new(Dns { resolver, given, names: Vec::new() }))
}

impl Fault for Dns {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            if self.names.is_empty() {
                self.declare(arena).await?;
            }
            arena.run(Duration::from_millis(1_200)).await?;
            // Each once, in an order that differs; then any.
            let round = arena.round() as usize + usize::from(arena.history.seed.to_le_bytes()[0]);
            let mode = MODES[round % MODES.len()];
            let jitter = arena.random().random_range(0..1_000);
            arena.fault(format!("name servers: {mode:?}"));
            self.resolver.behave(mode);
            arena.run(OUTAGE + Duration::from_millis(jitter)).await?;
            let expected = self.names.iter().map(|id| (id.clone(), health(mode)));
            arena.sight(&format!("{mode:?}"), &expected.collect()).await?;
            self.resolver.behave(Mode::Well);
            Ok(())
        }
        .boxed()
    }
}

impl Dns {
    async fn declare(&mut self, arena: &mut Arena) -> Result<()> {
        let targets = Arc::new(Targets::start(Protocol::Http, NAMES).await?);
        for n in 0..NAMES {
            let (resolver, targets) = (Arc::clone(&self.resolver), Arc::clone(&targets));
            let named = Named { n, targets, resolver };
            let asked = Asked { n, resolver: Arc::clone(&self.resolver), server: None };
            let server = Some(Arc::clone(&self.given));
            let given = Asked { n, resolver: Arc::clone(&self.given), server };
            self.names.extend([named.id(), asked.id()]);
            arena.watch(Arc::new(named)).await?;
            arena.watch(Arc::new(asked)).await?;
            arena.watch(Arc::new(given)).await?;
        }
        Ok(())
    }
}

fn health(mode: Mode) -> &'static str {
    match mode {
        Mode::Well | Mode::Slow(_) => "HEALTHY",
        Mode::Failing | Mode::Refusing | Mode::Silent | Mode::Poisoned => "UNKNOWN",
        Mode::NoSuchName => "CRITICAL",
    }
}

fn host(n: usize) -> String {
    format!("t{n}.chaos.test")
}

/// A target that is asked for by its name.
struct Named {
    n: usize,
    targets: Arc<Targets>,
    resolver: Arc<Resolver>,
}

impl Watched for Named {
    fn id(&self) -> String {
        format!("named:{}", self.n)
    }

    fn check(&self) -> Value {
        let port = self.targets.address(0).port();
        json!({"http": {"url": format!("http://{}:{port}/t/{}", host(self.n), self.n)}})
    }

    fn probes(&self, began: Instant) -> Vec<(Moment, bool)> {
        let probes = self.targets.target(self.n).log();
        let denied = self.resolver.said(&host(self.n)).into_iter().filter(|said| !said.exists);
        let denied = denied.map(|said| (since(began, said.at), false));
        let probes = probes.iter().map(|probe| (since(began, probe.at), probe.up));
        // In order of time.
        let mut all: Vec<_> = probes.chain(denied).collect();
        all.sort_unstable();
        all
    }

    fn is_up(&self) -> bool {
        self.resolver.mode() != Mode::NoSuchName
    }
}

/// A name that is looked up, at this system's servers or at one that the check names.
struct Asked {
    n: usize,
    resolver: Arc<Resolver>,
    server: Option<Arc<Resolver>>,
}

impl Asked {
    fn name(&self) -> String {
        format!("q{}.chaos.test", self.n)
    }
}

impl Watched for Asked {
    fn id(&self) -> String {
        let kind = if self.server.is_some() { "given" } else { "asked" };
        format!("{kind}:{}", self.n)
    }

    fn check(&self) -> Value {
        let mut check = BTreeMap::from([
            ("name", json!(self.name())),
            ("type", json!("A")),
            ("expect", json!(["127.0.0.1"])),
        ]);
        if let Some(server) = &self.server {
            check.insert("server", json!(server.address().ip().to_string()));
        }
        json!({"dns": check})
    }

    fn probes(&self, began: Instant) -> Vec<(Moment, bool)> {
        let said = self.resolver.said(&self.name());
        said.iter().map(|said| (since(began, said.at), said.exists)).collect()
    }

    fn is_up(&self) -> bool {
        self.resolver.mode() != Mode::NoSuchName
    }

    fn is_hit(&self) -> bool {
        self.server.is_none()
    }
}
