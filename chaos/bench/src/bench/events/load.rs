//! Transitions in an open loop: push-fed resources that are told to be well and down in turn.
//!
//! Lanes share the resources. Each has one call under way at a time, so that what is said of a
//! resource stays in order; it says in it all that is due by then, each with its own due time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use api::v1::{
    PushObservationsRequest, push_observations_request::Outcome,
    resource_service_client::ResourceServiceClient,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// Each resource changes several times a second at most: more than in any real cluster, with as many
/// keys as a small one has.
pub(super) const RESOURCES: usize = 1_000;
const LANES: usize = 4;
/// A lane has transitions due so often. One call for each would cost the client, and with it the
/// shared processors, more than the node.
const TICK: Duration = Duration::from_millis(20);

/// One transition that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) resource: usize,
    /// Its number among those of its resource, from 0.
    pub(super) number: usize,
    pub(super) due: Instant,
    pub(super) acknowledged: Instant,
}

/// Transitions that are being made.
pub(super) struct Pushes {
    lanes: JoinSet<Result<Vec<Told>>>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

/// The declarations of the resources.
pub(super) fn declarations() -> impl Iterator<Item = Value> {
    let check = json!({ "push": { "ttl": "24h" } });
    (0..RESOURCES)
        .map(move |n| json!({ "type": "SERVICE", "name": n.to_string(), "check": check.clone() }))
}

/// Which resource an id names.
pub(super) fn number(id: &str) -> Option<usize> {
    id.strip_prefix("service:")?.parse().ok().filter(|n| *n < RESOURCES)
}

impl Pushes {
    /// Begins, at a node's gRPC, with so many transitions a second.
    pub(super) async fn begin(grpc: &str, rate: usize) -> Result<Self> {
        let each = rate * TICK.subsec_millis() as usize / 1_000 / LANES;
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut lanes = JoinSet::new();
        let begin = Instant::now() + TICK;
        for lane in 0..LANES {
            let channel = Channel::from_shared(grpc.to_owned())?.connect().await?;
            let owned = (lane..RESOURCES).step_by(LANES).collect();
            let begin = begin + TICK * u32::try_from(lane)? / u32::try_from(LANES)?;
            let lane = Lane { client: ResourceServiceClient::new(channel), owned, begin, each };
            lanes.spawn(lane.run(Arc::clone(&stop), Arc::clone(&count)));
        }
        Ok(Self { lanes, stop, count })
    }

    /// How many were acknowledged.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether a lane has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.lanes.try_join_next() {
            None => Ok(()),
            Some(ended) => ended?.and_then(|_| anyhow::bail!("a lane has ended")),
        }
    }

    /// Makes no more. Returns all, those of a resource in order.
    pub(super) async fn end(mut self) -> Result<Vec<Told>> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        while let Some(lane) = self.lanes.join_next().await {
            all.extend(lane??);
        }
        Ok(all)
    }
}

struct Lane {
    client: ResourceServiceClient<Channel>,
    owned: Vec<usize>,
    begin: Instant,
    /// How many are due at a time.
    each: usize,
}

impl Lane {
    async fn run(mut self, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Result<Vec<Told>> {
        let mut told = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            tokio::time::sleep_until(self.due(told.len()).into()).await;
            let first = told.len();
            let asked = self.say(first).await?;
            let acknowledged = Instant::now();
            told.extend((first..first + asked).map(|n| self.told(n, acknowledged)));
            count.fetch_add(asked, Ordering::SeqCst);
        }
        Ok(told)
    }

    /// When the n-th of this lane is due: as many as belong to a tick are due together.
    fn due(&self, n: usize) -> Instant {
        self.begin + TICK * u32::try_from(n / self.each).unwrap_or(u32::MAX)
    }

    fn told(&self, n: usize, acknowledged: Instant) -> Told {
        let (resource, number) = (self.owned[n % self.owned.len()], n / self.owned.len());
        Told { resource, number, due: self.due(n), acknowledged }
    }

    /// Says what is due from the n-th on, no resource twice, and returns how much that was.
    async fn say(&mut self, first: usize) -> Result<usize> {
        let now = Instant::now();
        let due = (first..).take(self.owned.len()).take_while(|n| self.due(*n) <= now);
        let said: Vec<_> = due.map(|n| self.observation(n)).collect();
        let count = said.len();
        let answer = self.client.push_observations(futures_util::stream::iter(said)).await;
        let answer = answer.context("observations were not taken in")?.into_inner();
        let refused = answer.refusals.first();
        ensure!(answer.accepted == count as u64, "observations were refused: {refused:?}");
        Ok(count)
    }

    fn observation(&self, n: usize) -> PushObservationsRequest {
        let (resource, number) = (self.owned[n % self.owned.len()], n / self.owned.len());
        let outcome = if number.is_multiple_of(2) { Outcome::Ok } else { Outcome::Critical };
        PushObservationsRequest {
            resource_id: format!("service:{resource}"),
            outcome: outcome.into(),
            ..PushObservationsRequest::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_are_due_in_a_second_as_the_rate_says() {
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        let client = ResourceServiceClient::new(channel);
        let owned = (0..RESOURCES).step_by(LANES).collect();
        let lane = Lane { client, owned, begin: Instant::now(), each: 20 };
        let due = |n| lane.due(n).duration_since(lane.begin);
        assert_eq!(due(0), Duration::ZERO);
        assert_eq!(due(19), Duration::ZERO);
        assert_eq!(due(20), TICK);
        assert_eq!(due(1_000), Duration::from_secs(1));
        assert_eq!(lane.observation(249).outcome, i32::from(Outcome::Ok));
        assert_eq!(lane.observation(250).outcome, i32::from(Outcome::Critical));
    }
}
