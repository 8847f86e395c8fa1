//! What several tests need: a declaration, a clock that stands still, what lies on a disk.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use model::{
    CheckSpec, Millis, Owner, Policy, ResourceSpec, ResourceType, WallTime, check::TcpCheck,
};

use crate::{
    clock::Clock,
    command::{Command, Precondition, Registration},
    disk::{Space, View},
    store::keys::Keys,
};

/// A probed endpoint, each second.
pub(crate) fn spec(id: &str) -> ResourceSpec {
    let address = "127.0.0.1:1".to_owned();
    ResourceSpec {
        id: id.parse().unwrap(),
        resource_type: ResourceType::Endpoint,
        name: id.to_owned(),
        namespace: None,
        cluster_id: None,
        labels: [("team", "shop".into())].into_iter().collect(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Tcp(TcpCheck { address, send: None, expect: None }),
        interval: Millis::from_secs(1),
        timeout: Millis::from_secs(1),
        policy: Policy {
            failures: 1,
            successes: 1,
            stale_after: Millis::from_secs(3_600),
            thresholds: Default::default(),
            flapping: None,
        },
    }
}

pub(crate) fn registration(spec: ResourceSpec) -> Registration {
    Registration { spec, owner: Owner::Api, precondition: Precondition::None }
}

pub(crate) fn register(spec: ResourceSpec) -> Command {
    Command::Register(Box::new(registration(spec)))
}

/// A clock that moves when it is told to.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> WallTime {
        WallTime(i64::try_from(self.boot_millis()).unwrap())
    }

    fn boot(&self) -> u64 {
        1
    }

    fn boot_millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Keys and values.
pub(crate) type Stored = Vec<(Vec<u8>, Vec<u8>)>;

/// Everything that a space holds of a group.
pub(crate) fn stored(view: &dyn View, space: Space, keys: Keys) -> Stored {
    let (from, to) = keys.everything();
    let mut found = Vec::new();
    let all = view.scan(space, &from, &to, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    all.map(|()| found).unwrap()
}

/// A fixed seed per test is no use, one that is not shown neither: `BELLWETHER_SEED` repeats
/// a failure.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("BELLWETHER_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(rand::random::<u64>)
}

/// Shares a value as the trait object that options want.
pub(crate) fn as_clock(clock: &Arc<ManualClock>) -> Arc<dyn Clock> {
    Arc::<ManualClock>::clone(clock)
}
