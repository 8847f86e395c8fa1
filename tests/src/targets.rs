//! Targets to watch, which keep their own account of every probe that reached them.
//!
//! Invariant: a probe is in the log before it is answered, so that what the node counted can
//! be judged by what the targets saw (SEMANTICS 7).

mod serve;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use tokio::{net::TcpListener, task::JoinHandle};

/// One probe as its target saw it.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// When it arrived.
    pub at: Instant,
    /// Whether the target was up and answered so.
    pub up: bool,
}

/// One thing to probe, which is up or down by a switch.
#[derive(Debug)]
pub struct Target {
    up: AtomicBool,
    log: Mutex<Vec<Probe>>,
}

impl Target {
    fn new() -> Self {
        Self { up: AtomicBool::new(true), log: Mutex::default() }
    }

    /// Notes a probe and says how to answer it.
    fn probed(&self) -> bool {
        let up = self.is_up();
        self.locked().push(Probe { at: Instant::now(), up });
        up
    }

    /// Whether it answers that it is well.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }

    /// Switches it.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    /// Every probe so far, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Probe> {
        self.locked().clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Probe>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How targets are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `GET /t/N` on one port: 200 and "ok", or 503.
    Http,
    /// A port for each target, which sends "ok" or "down" on connection.
    Tcp,
}

/// Targets of one protocol. They stop to listen when this is dropped.
#[derive(Debug)]
pub struct Targets {
    protocol: Protocol,
    targets: Vec<Arc<Target>>,
    addresses: Vec<SocketAddr>,
    servers: Vec<JoinHandle<()>>,
}

impl Targets {
    /// Targets that answer on loopback ports of their own, all up.
    ///
    /// # Errors
    /// Where no port is left.
    pub async fn start(protocol: Protocol, count: usize) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), protocol, count).await
    }

    /// The same at an address of the caller's choice.
    ///
    /// # Errors
    /// As [`Targets::start`].
    pub async fn start_at(ip: IpAddr, protocol: Protocol, count: usize) -> Result<Self> {
        let targets: Vec<_> = (0..count).map(|_| Arc::new(Target::new())).collect();
        let ports = if protocol == Protocol::Http { 1 } else { count };
        let addresses = vec![SocketAddr::new(ip, 0); ports];
        let mut this = Self { protocol, targets, addresses, servers: Vec::new() };
        this.listen().await?;
        Ok(this)
    }

    /// Listens, again on the same ports after [`Targets::stop`].
    ///
    /// # Errors
    /// Where somebody else has taken a port meanwhile.
    pub async fn listen(&mut self) -> Result<()> {
        for (n, address) in self.addresses.iter_mut().enumerate() {
            let listener = TcpListener::bind(*address).await?;
            *address = listener.local_addr()?;
            let server = match self.protocol {
                Protocol::Http => tokio::spawn(serve::http(listener, self.targets.clone())),
                Protocol::Tcp => tokio::spawn(serve::tcp(listener, self.targets[n].clone())),
            };
            self.servers.push(server);
        }
        Ok(())
    }

    /// Closes all ports and connections: from now on, connections are refused.
    pub async fn stop(&mut self) {
        for server in self.servers.drain(..) {
            server.abort();
            let _ = server.await;
        }
    }

    /// The URL of an HTTP target.
    #[must_use]
    pub fn url(&self, n: usize) -> String {
        format!("http://{}/t/{n}", self.addresses[0])
    }

    /// The address of a TCP target.
    #[must_use]
    pub fn address(&self, n: usize) -> SocketAddr {
        self.addresses[n]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn target(&self, n: usize) -> &Arc<Target> {
        &self.targets[n]
    }

    /// A check of one of them, as it stands in a declaration.
    #[must_use]
    pub fn check(&self, n: usize) -> serde_json::Value {
        match self.protocol {
            Protocol::Http => serde_json::json!({"http": {"url": self.url(n)}}),
            Protocol::Tcp => {
                serde_json::json!({"tcp": {"address": self.address(n).to_string(), "expect": "ok"}})
            }
        }
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

/// Switches random targets at random moments until it is dropped.
#[derive(Debug)]
pub struct Flipper(JoinHandle<()>);

impl Flipper {
    /// Switches one of `targets` on average every `pause`.
    #[must_use]
    pub fn start(targets: Vec<Arc<Target>>, pause: Duration, seed: u64) -> Self {
        Self(tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            loop {
                let target = &targets[random.random_range(0..targets.len())];
                target.set_up(!target.is_up());
                tokio::time::sleep(jittered(pause, &mut random)).await;
            }
        }))
    }

    /// Stops to switch: when this returns, all targets stay as they are.
    pub async fn stop(self) {
        self.0.abort();
        while !self.0.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Flipper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Between half of a span and one and a half.
fn jittered(span: Duration, random: &mut impl Rng) -> Duration {
    span.mul_f64(random.random_range(0.5..1.5))
}
