//! Durable writes through a node's own shards, without a network between.
//!
//! A write is a client's report for a push-fed resource, as agents send them: proposed, batched,
//! synced, applied, answered.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use model::{
    CheckSpec, Metrics, Millis, Outcome, Owner, Policy, ResourceSpec, ResourceType, WallTime,
    check::PushCheck,
};
use raft::{Command, Options, Precondition, Push, Registration, Reply, Shards};

use super::{super::error::CliError, disk::Latency};

/// Resources that are written to; each client has at least one of its own.
const RESOURCES: usize = 1_024;
const WARM_UP: Duration = Duration::from_millis(500);
const SPAN: Duration = Duration::from_secs(3);
const DAY: Millis = Millis::from_secs(86_400);

/// What some clients saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) clients: usize,
    pub(super) writes_per_second: f64,
    pub(super) latency: Latency,
    pub(super) writes_per_sync: f64,
}

/// Shards with data of their own.
pub(super) struct Node {
    shards: Shards,
}

impl Node {
    /// Opens shards below `directory` and declares the resources.
    pub(super) async fn open(directory: &Path, shards: u32) -> Result<Self, CliError> {
        let failed = |e: &dyn std::fmt::Display| CliError::Failed(format!("cannot open: {e}"));
        let fatal = Arc::new(|why: &str| panic!("{why}"));
        let options = Options::on_disk("bench", shards, directory.join("data"), fatal);
        let shards = Shards::open(options).await.map_err(|e| failed(&e))?;
        let declared = (0..RESOURCES).map(|number| declare(&shards, number));
        try_join_all(declared).await?;
        Ok(Self { shards })
    }

    /// Lets so many clients write, each the next when the last one is durable.
    pub(super) async fn measure(&self, clients: usize) -> Result<Load, CliError> {
        let warm = Instant::now() + WARM_UP;
        let end = warm + SPAN;
        let before = self.shards.sync_stats().0;
        let tasks = (0..clients).map(|n| {
            let client = Client { shards: self.shards.clone(), own: own(n, clients), done: 0 };
            tokio::spawn(client.run(warm, end))
        });
        let parts = try_join_all(tasks.collect::<Vec<_>>()).await;
        let parts = parts.map_err(|e| CliError::Failed(format!("a client has ended: {e}")))?;
        let mut samples = Vec::new();
        for part in parts {
            samples.extend(part?);
        }
        let syncs = self.shards.sync_stats().0 - before;
        Ok(load(clients, samples, syncs))
    }

    pub(super) async fn close(self) {
        self.shards.close().await;
    }
}

/// Syncs are counted with the warm-up, in which as much was written a second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn load(clients: usize, samples: Vec<Duration>, syncs: u64) -> Load {
    let writes_per_second = samples.len() as f64 / SPAN.as_secs_f64();
    let syncs_per_second = syncs as f64 / (WARM_UP + SPAN).as_secs_f64();
    Load {
        clients,
        writes_per_second,
        latency: Latency::of(samples),
        writes_per_sync: writes_per_second / syncs_per_second.max(1.0),
    }
}

fn own(client: usize, clients: usize) -> Vec<usize> {
    (client..RESOURCES).step_by(clients).collect()
}

struct Client {
    shards: Shards,
    own: Vec<usize>,
    done: usize,
}

impl Client {
    async fn run(mut self, warm: Instant, end: Instant) -> Result<Vec<Duration>, CliError> {
        // An hour back, because times must grow with each write and not lie in the future.
        let first = self.shards.now().0 - 3_600_000;
        let mut samples = Vec::new();
        loop {
            let began = Instant::now();
            if began >= end {
                return Ok(samples);
            }
            let round = i64::try_from(self.done / self.own.len()).unwrap_or(i64::MAX / 2);
            let number = self.own[self.done % self.own.len()];
            write(&self.shards, number, WallTime(first + round)).await?;
            self.done += 1;
            if began >= warm {
                samples.push(began.elapsed());
            }
        }
    }
}

async fn write(shards: &Shards, number: usize, observed_at: WallTime) -> Result<(), CliError> {
    let metrics =
        (0..12).fold(Metrics::default(), |all, n| all.with(&format!("value_{n:02}"), f64::from(n)));
    let resource = id(number);
    let push = Push { resource, outcome: Outcome::passed(), metrics, observed_at };
    let shard = shards.shard_of(&push.resource);
    let answer = shards.propose(shard, Command::Push(Box::new(push))).await;
    match answer.map_err(|e| CliError::Failed(format!("a write failed: {e}")))?.reply {
        Reply::Pushed { .. } => Ok(()),
        other => Err(CliError::Failed(format!("a write was answered by {other:?}"))),
    }
}

fn id(number: usize) -> model::ResourceId {
    format!("bench:{number:04}").parse().expect("letters, a colon and digits are an id")
}

async fn declare(shards: &Shards, number: usize) -> Result<(), CliError> {
    let spec = ResourceSpec {
        id: id(number),
        resource_type: ResourceType::Service,
        name: id(number).to_string(),
        namespace: None,
        cluster_id: None,
        labels: Default::default(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Push(PushCheck { ttl: DAY }),
        interval: DAY,
        timeout: DAY,
        policy: Policy {
            failures: 1,
            successes: 1,
            stale_after: DAY,
            thresholds: Default::default(),
            flapping: None,
        },
    };
    let registration = Registration { spec, owner: Owner::Api, precondition: Precondition::None };
    let declared = shards.declare(registration, None).await;
    declared.map(drop).map_err(|e| CliError::Failed(format!("cannot declare: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_resources_of_its_own() {
        let all: std::collections::BTreeSet<usize> =
            (0..1_000).flat_map(|n| own(n, 1_000)).collect();
        assert_eq!(all.len(), RESOURCES);
        assert!((0..1_000).all(|n| !own(n, 1_000).is_empty()));
    }
}
