//! The targets of a run, most of which flip, and some of which never do.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::{
    Client,
    targets::{Flipper, Protocol, Target, Targets},
};
use serde_json::{Value, json};

use super::{Watched, Workload};
use crate::history::TargetLog;

/// How long a declaration may take.
const DECLARED: Duration = Duration::from_secs(30);

/// See the module.
pub struct Crowd {
    http: Targets,
    tcp: Targets,
    workload: Workload,
    flipper: Option<Flipper>,
    extra: Vec<Arc<dyn Watched>>,
}

impl Crowd {
    /// Starts the targets at an address of this machine.
    ///
    /// # Errors
    /// Where no ports are left.
    pub async fn start(workload: Workload, ip: IpAddr) -> Result<Self> {
        let count = workload.http + workload.always_up + workload.always_down;
        let http = Targets::start_at(ip, Protocol::Http, count).await?;
        for n in count - workload.always_down..count {
            http.target(n).set_up(false);
        }
        let tcp = Targets::start_at(ip, Protocol::Tcp, workload.tcp).await?;
        Ok(Self { http, tcp, workload, flipper: None, extra: Vec::new() })
    }

    /// Declares all of them at the node. Answers when each was asked for, and when it was
    /// acknowledged.
    ///
    /// # Errors
    /// Where one is refused.
    pub async fn declare(&self, client: &Client) -> Result<BTreeMap<String, [Instant; 2]>> {
        let mut declared = BTreeMap::new();
        for (id, _, check) in self.all() {
            let body = json!({"type": "ENDPOINT", "name": id, "check": check});
            let asked = Instant::now();
            client.put_until_acknowledged(&id, &body, &id, DECLARED).await?;
            declared.insert(id, [asked, Instant::now()]);
        }
        Ok(declared)
    }

    /// Declares one that a scenario brings along.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn join(&mut self, client: &Client, watched: Arc<dyn Watched>) -> Result<()> {
        let (id, check) = (watched.id(), watched.check());
        let body = json!({"type": "ENDPOINT", "name": id, "check": check});
        client.put(&id, &body, &id).await?.success()?;
        self.extra.push(watched);
        Ok(())
    }

    /// Lets them flip.
    pub fn stir(&mut self, seed: u64) {
        let flipping = (0..self.workload.http)
            .map(|n| Arc::clone(self.http.target(n)))
            .chain((0..self.workload.tcp).map(|n| Arc::clone(self.tcp.target(n))))
            .collect();
        let pause = Duration::from_millis(self.workload.flip_every);
        self.flipper = Some(Flipper::start(flipping, pause, seed));
    }

    /// Lets them stay as they are.
    pub async fn calm(&mut self) {
        if let Some(flipper) = self.flipper.take() {
            flipper.stop().await;
        }
    }

    /// Every target: the id of its resource, its switch, its check.
    fn all(&self) -> impl Iterator<Item = (String, &Arc<Target>, Value)> {
        let http = (0..self.http.len())
            .map(|n| (format!("http:{n}"), self.http.target(n), self.http.check(n)));
        let tcp = (0..self.tcp.len())
            .map(|n| (format!("tcp:{n}"), self.tcp.target(n), self.tcp.check(n)));
        http.chain(tcp)
    }

    /// The ids of all targets.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        self.all().map(|(id, ..)| id).chain(self.extra.iter().map(|watched| watched.id()))
    }

    /// What each target is now.
    pub fn truth(&self) -> impl Iterator<Item = (String, bool)> {
        let extra = self.extra.iter().map(|watched| (watched.id(), watched.is_up()));
        self.all().map(|(id, target, _)| (id, target.is_up())).chain(extra)
    }

    /// What reached them, in times since `began`.
    #[must_use]
    pub fn logs(&self, began: Instant) -> Vec<TargetLog> {
        let log = |(n, (id, target, _)): (usize, (String, &Arc<Target>, Value))| TargetLog {
            id,
            always: self.always(n),
            probes: target.log().iter().map(|p| (since(began, p.at), p.up)).collect(),
            up: target.is_up(),
            hit: false,
        };
        let extra = self.extra.iter().map(|watched| watched.log(began));
        self.all().enumerate().map(log).chain(extra).collect()
    }

    fn always(&self, n: usize) -> Option<bool> {
        let Workload { http, always_up, always_down, .. } = self.workload;
        let steady = (http..http + always_up + always_down).contains(&n);
        steady.then_some(n < http + always_up)
    }
}

pub(crate) fn since(began: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX)
}
