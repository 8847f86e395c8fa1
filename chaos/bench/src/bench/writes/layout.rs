//! What is written: which resources there are, and the bytes of a write.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use model::{
    CheckSpec, Metrics, Millis, Policy, ResourceSpec, ResourceType, WallTime, check::PushCheck,
    outcome::Outcome,
};
use raft::Push;

/// Resources, or keys of etcd, that are written to.
pub(super) const RESOURCES: usize = 4_096;
/// Bytes of a write besides its id.
pub(super) const SIZE: usize = 256;

/// All of them by their numbers.
pub(super) fn all() -> Vec<usize> {
    (0..RESOURCES).collect()
}

/// The id of a resource, and its key in etcd.
pub(super) fn id(number: usize) -> String {
    format!("bench:{number:06}")
}

/// A push-fed resource that never grows stale.
pub(super) fn spec(number: usize) -> ResourceSpec {
    const DAY: Millis = Millis::from_secs(86_400);
    ResourceSpec {
        id: id(number).parse().expect("letters, a colon and digits are an id"),
        resource_type: ResourceType::Service,
        name: id(number),
        namespace: None,
        cluster_id: None,
        labels: [("team", "bench".into())].into_iter().collect(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Push(PushCheck { ttl: DAY }),
        interval: DAY,
        timeout: DAY,
        policy: Policy {
            failures: 1,
            successes: 1,
            stale_after: DAY.times(30),
            thresholds: Default::default(),
            flapping: None,
        },
    }
}

/// A report that says the resource is fine, with a text, in postcard's encoding: [`SIZE`] bytes
/// besides the id. As with etcd's value nothing within it wants to be understood.
pub(super) fn push(number: usize, observed_at: i64) -> Vec<u8> {
    let encoded = |padding: usize| {
        let push = Push {
            resource: id(number).parse().expect("letters, a colon and digits are an id"),
            outcome: Outcome::Passed { message: "x".repeat(padding) },
            metrics: Metrics::default(),
            observed_at: WallTime(observed_at),
        };
        postcard::to_stdvec(&push).expect("a push of plain values is encoded")
    };
    let wanted = SIZE + id(number).len();
    let padding = wanted.saturating_sub(encoded(0).len());
    // A longer text has a longer length before it.
    let excess = encoded(padding).len().saturating_sub(wanted);
    encoded(padding - excess)
}

/// A value of etcd: the same size, beginning with the same time.
pub(super) fn value(observed_at: i64) -> Vec<u8> {
    let mut value = observed_at.to_be_bytes().to_vec();
    value.resize(SIZE, b'x');
    value
}

/// The time of the last acknowledged write of each resource: what a read must return.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged(Arc<Vec<AtomicI64>>);

impl Acknowledged {
    pub(super) fn new() -> Self {
        Self(Arc::new((0..RESOURCES).map(|_| AtomicI64::new(0)).collect()))
    }

    pub(super) fn set(&self, number: usize, observed_at: i64) {
        self.0[number].store(observed_at, Ordering::Relaxed);
    }

    /// Some resources that were written to, and what they must hold.
    pub(super) fn some(&self, most: usize) -> Vec<(usize, i64)> {
        let all = self.0.iter().map(|at| at.load(Ordering::Relaxed)).enumerate();
        all.filter(|(_, at)| *at != 0).take(most).collect()
    }
}

/// The writes of one client: its own resources in turn, with times that only grow.
#[derive(Debug)]
pub(super) struct Turn {
    own: Vec<usize>,
    began: i64,
    done: usize,
}

impl Turn {
    /// Of the client `client` of `clients` that share `resources`.
    pub(super) fn new(resources: &[usize], client: usize, clients: usize) -> Self {
        let own = resources.iter().copied().skip(client).step_by(clients).take(64).collect();
        // An hour back: a write must not lie in the future, however fast they follow.
        Self { own, began: wall_millis() - 3_600_000, done: 0 }
    }

    /// The next resource and time.
    pub(super) fn next(&mut self) -> (usize, i64) {
        let number = self.own[self.done % self.own.len()];
        let round = i64::try_from(self.done / self.own.len()).unwrap_or(i64::MAX / 2);
        self.done += 1;
        (number, self.began + round + 1)
    }
}

fn wall_millis() -> i64 {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_has_the_size_that_is_claimed_on_both_sides() {
        assert_eq!(push(17, 1_790_000_000_000).len(), SIZE + id(17).len());
        assert_eq!(value(1).len(), SIZE);
    }

    #[test]
    fn clients_write_to_resources_of_their_own_with_growing_times() {
        let mut turns: Vec<Turn> = (0..1_000).map(|n| Turn::new(&all(), n, 1_000)).collect();
        let mut seen = std::collections::BTreeMap::new();
        for (client, turn) in turns.iter_mut().enumerate() {
            for _ in 0..10 {
                let (number, at) = turn.next();
                assert!(number < RESOURCES);
                let (owner, last) = seen.insert(number, (client, at)).unwrap_or((client, 0));
                assert!(owner == client && at > last);
            }
        }
    }
}
