//! What tests of a shard declare.

use model::{CheckSpec, Millis, Policy, ResourceSpec, ResourceType, check::TcpCheck};

/// A TCP check, five times a second.
pub(crate) fn spec(id: &str, address: &str) -> ResourceSpec {
    ResourceSpec {
        id: id.parse().unwrap(),
        resource_type: ResourceType::Endpoint,
        name: id.to_owned(),
        namespace: None,
        cluster_id: None,
        labels: Default::default(),
        region: None,
        depends_on: Vec::new(),
        check: CheckSpec::Tcp(TcpCheck { address: address.to_owned(), send: None, expect: None }),
        interval: Millis(200),
        timeout: Millis(200),
        policy: Policy {
            failures: 1,
            successes: 1,
            stale_after: Millis::from_secs(60),
            thresholds: Default::default(),
            flapping: None,
        },
    }
}
